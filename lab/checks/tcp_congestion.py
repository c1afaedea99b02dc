"""`tcp-congestion`: a sender begins with little on its way, sends more with each answer, and less after a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause
from lab.checks.connections import Connection, Found, points_of
from lab.checks.diagnose import Fault
from lab.checks.flight import Flight, Moment, flight
from lab.checks.losses import Loss, losses
from lab.checks.names import count
from lab.checks.programs import idle, trouble, unfinished
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Bool, Choice, Int, param

_GROWTH = 2  # times the first flight: slow start doubles it in each round trip
_BACKED_OFF = 7 / 8  # of the largest flight before, at most: RFC 5681 §3.1 halves it, RFC 9438 §4.6 leaves seven tenths
_LOOK = "whether send() gets all there is at once, or waits in between"


@dataclass(frozen=True)
class TcpCongestion(TcpCheck):
    """A sender's flight grew from its initial window, and was smaller after a loss.

    The flight is what was sent and not yet acknowledged, at the sender's own capture. Before the first acknowledgement
    it is the initial window at most; it must have doubled before the first loss. In the round trip after the repair of
    a loss it must be smaller than the largest before, by an eighth at least, while enough is left to be sent that only
    the window can have held it. A program that sends little by little, or a small receiver's window, shows no growth.
    """

    kind: ClassVar[str] = "tcp-congestion"
    claims: ClassVar[tuple[str, ...]] = ("C18",)
    rule: ClassVar[str] = "RFC 5681 §3.1, §3.2; RFC 6928 §2 (initial window); RFC 9438 §4.6 (CUBIC)"
    says: ClassVar[str] = "client never had more than 1 segment on their way, and 1 segment at first"

    sender: str = param(Choice("client", "server"), "whose flight it is", default="client")
    initial: int = param(Int(1, 1000), "how many full segments the first flight may be at most", default=10)
    loss: bool = param(
        Bool(), "whether a segment must have been lost, and the flight been smaller after that", default=True
    )

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        after = ", and is smaller after a loss" if self.loss else ""
        return f"the flight of {self._name()} begins with {self.initial} segments at most and grows{after}"

    def needed(self, evidence: Evidence) -> str | None:
        """What of the evidence it cannot do without and the exercise left out."""
        for node in (self.source, self.to) if self.loss else (self._name(),):
            if any(point not in evidence.captures for point in points_of(evidence, node)):
                return f"the exercise does not capture at {node}, so " + (
                    "a loss on the way cannot be told" if self.loss else "its flight cannot be told"
                )
        return None

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """A flight that began too large, did not grow, or was as large after a loss as before."""
        name, own = self._name(), flight(connection, self._client())
        if own is None:
            blame = idle(evidence, [name])
            seen = f"{name} sent nothing"
            cause = blame.cause if blame else Cause("nothing-sent", seen, "whether send() is reached")
            return Fault(seen, cause, timed=blame is None or blame.timed)
        first = own.first
        if first.flight > self.initial * own.segment:
            seen = f"{name} sent {_size(own, first)} before anything was acknowledged"
            look = f"the initial window of {name} (ip route show, initcwnd)"
            shown = own.view.frames(own.moments[0].packet, first.packet)
            return Fault(seen, Cause("initial-window", seen, look), shown)
        lost = self._losses(evidence, connection)
        peak = own.peak(lost[0].repair if lost else None)
        if peak.flight < _GROWTH * max(first.flight, own.segment):
            seen = f"{name} never had more than {_size(own, peak)} on their way, and {_size(own, first)} at first"
            blame = trouble(evidence, [name, self.source, self.to], submitted=True)
            cause = blame.cause if blame else Cause("no-growth", seen, _LOOK)  # nor does a busy machine fill a window
            return Fault(seen, cause, own.view.frames(first.packet, peak.packet), timed=blame is None or blame.timed)
        return self._after(evidence, own, lost[0]) if lost else None

    def _after(self, evidence: Evidence, own: Flight, loss: Loss) -> Fault | None:
        """What is wrong with the flight after the first loss."""
        name, shown = self._name(), own.view.frames(loss.copies[0], loss.repair)
        if loss.repair is None:
            seen = f"{name} never sent {loss.name} again"
            look = f"whether {name} still had the connection open when its segment was lost"
            return Fault(seen, Cause("not-repaired", seen, look), shown, timed=True)
        before, later = own.at(loss.repair), own.recovered(loss)
        if not later or own.moments[-1].sent - later[0].acked < before.flight:
            seen = f"{name} had less to send after the loss than before, so what held it back cannot be told"
            cause = Cause("too-little-sent", seen, "how much is sent after the segment that is lost")
            return Fault(seen, cause, shown, timed=unfinished(evidence, [name]))
        after, most = _largest(later), own.peak(loss.repair)
        if after.flight > _BACKED_OFF * most.flight:
            seen = f"{name} had {_size(own, most)} on their way before the loss, and {_size(own, after)} after it"
            look = f"the congestion control of {name} (net.ipv4.tcp_congestion_control)"
            shown += own.view.frames(after.packet)
            return Fault(seen, Cause("no-back-off", seen, look), shown, timed=True)  # a busy machine fills no window
        return None

    def fault_of_all(self, evidence: Evidence, found: Found, connections: Sequence[Connection]) -> Fault | None:
        """Nothing was lost at all."""
        if not self.loss or any(self._losses(evidence, connection) for connection in connections):
            return None
        seen = f"every segment of {self._name()} arrived: no loss to back off after"
        blame = idle(evidence, [self._name(), self.source, self.to])
        cause = blame.cause if blame else Cause("nothing-lost", seen, "how much is sent, and in how many segments")
        return Fault(seen, cause, timed=blame.timed if blame else unfinished(evidence, [self._name()]))

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The first connection's flight: at first, at most, and before and after the loss."""
        own = flight(connections[0], self._client())
        assert own is not None, "a connection without payload has a fault"
        lost = self._losses(evidence, connections[0])
        first, peak = own.first, own.peak(lost[0].repair if lost else None)
        seen = f"the flight of {self._name()} was {_size(own, first)} at first and grew to {_size(own, peak)}"
        shown = own.view.frames(first.packet, peak.packet)
        if lost and lost[0].repair is not None:
            before, after = own.at(lost[0].repair), _largest(own.recovered(lost[0]))
            seen += f"; {lost[0].name} was lost at {_size(own, before)}, after the repair it was {_size(own, after)}"
            shown += own.view.frames(lost[0].copies[0], lost[0].repair, after.packet)
        return seen, shown

    def _client(self) -> bool:
        return self.sender == "client"

    def _name(self) -> str:
        return self.source if self._client() else self.to

    def _losses(self, evidence: Evidence, connection: Connection) -> list[Loss]:
        if not self.loss:
            return []
        return [each for each in losses(evidence, connection, self._client()) if each.copies[0].payload_length]


def _largest(moments: Sequence[Moment]) -> Moment:
    return max(moments, key=lambda each: each.flight)


def _size(own: Flight, moment: Moment) -> str:
    """A flight in full segments, or in bytes where it is less than one."""
    if moment.flight < own.segment:
        return count(moment.flight, "byte")
    return count(round(moment.flight / own.segment), "segment")

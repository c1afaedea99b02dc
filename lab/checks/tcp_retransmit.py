"""`tcp-retransmit`: what the network lost, TCP sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause
from lab.checks.connections import Connection, Found, points_of
from lab.checks.diagnose import Fault
from lab.checks.losses import Loss, losses
from lab.checks.names import count
from lab.checks.programs import idle, unfinished
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Choice, Duration, param

_FAST, _TIMER = "by fast retransmit", "by a time-out"


@dataclass(frozen=True)
class TcpRetransmit(TcpCheck):
    """A segment was lost on its way, sent again and acknowledged.

    Lost is what the sender's capture shows and the receiver's does not, so both ends have to be captured. Fast
    retransmit answers acknowledgements that tell of later segments; without these, a timer of 200 ms or more has to run
    out first. Every loss of the chosen side must have been repaired; where nothing was lost, nothing was shown.
    """

    kind: ClassVar[str] = "tcp-retransmit"
    claims: ClassVar[tuple[str, ...]] = ("C18",)
    rule: ClassVar[str] = "RFC 9293 §3.8.1; RFC 5681 §3.2, RFC 8985 (fast retransmit); RFC 6298 §5 (time-out)"
    says: ClassVar[str] = "every segment of client and server arrived: nothing was lost that could have been repaired"

    lost: str = param(Choice("client", "server", "either"), "which side's segments were lost", default="either")
    repair: str = param(
        Choice("fast", "timeout", "any"), "how they must be repaired: fast retransmit or time-out", default="any"
    )
    within: float | None = param(
        Duration(), "how long a repair may take, from the first copy to the one that arrives", default=None
    )

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        who = {"client": self.source, "server": self.to}.get(self.lost, f"{self.source} or {self.to}")
        how = {"fast": f" {_FAST}", "timeout": f" {_TIMER}"}.get(self.repair, "")
        limit = f" within {self.within:g} s" if self.within is not None else ""
        return f"a segment of {who} is lost, sent again{how}{limit}, and acknowledged"

    def needed(self, evidence: Evidence) -> str | None:
        """What of the evidence it cannot do without and the exercise left out."""
        for node in (self.source, self.to):
            if any(point not in evidence.captures for point in points_of(evidence, node)):
                return f"the exercise does not capture at {node}, so a loss on the way cannot be told"
        return None

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """A loss that was not repaired as demanded."""
        for loss in self._losses(evidence, connection):
            name = self.source if loss.side is loss.view.client else self.to
            shown = loss.view.frames(*loss.copies[:3], loss.repair)
            if loss.repair is None:
                seen = f"{name} never sent {loss.name} again"
                look = f"whether {name} still had the connection open when its segment was lost"
                return Fault(seen, Cause("not-repaired", seen, look), shown, timed=True)
            if not loss.acknowledged:
                seen = f"{loss.name} of {name} was sent again and never acknowledged"
                cause = Cause("not-acknowledged", seen, "whether the receiver was still there")
                return Fault(seen, cause, shown, timed=True)
            if self.repair != "any" and loss.fast != (self.repair == "fast"):
                seen = _told(loss, name)
                look = "how many segments follow the lost one: each that arrives calls for it again"
                return Fault(seen, Cause("other-repair", seen, look), shown, timed=True)
            if self.within is not None and loss.delay > self.within * 1e9:
                seen = f"{_told(loss, name)}, which is later than {self.within:g} s"
                look = "how many segments follow the lost one: each that arrives calls for it again"
                return Fault(seen, Cause("late-repair", seen, look), shown, timed=True)
        return None

    def fault_of_all(self, evidence: Evidence, found: Found, connections: Sequence[Connection]) -> Fault | None:
        """Nothing was lost at all."""
        if any(self._losses(evidence, connection) for connection in connections):
            return None
        who = {"client": self.source, "server": self.to}.get(self.lost, f"{self.source} and {self.to}")
        seen = f"every segment of {who} arrived: nothing was lost that could have been repaired"
        blame = idle(evidence, [self.to, self.source])
        cause = blame.cause if blame else Cause("nothing-lost", seen, "how much is sent, and in how many segments")
        return Fault(seen, cause, timed=blame.timed if blame else unfinished(evidence, [self.to, self.source]))

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The first losses and their repairs."""
        found = [loss for connection in connections for loss in self._losses(evidence, connection)]
        told = [_told(loss, self.source if loss.side is loss.view.client else self.to) for loss in found[:3]]
        more = f"; {len(found)} losses in all" if len(found) > len(told) else ""
        frames = tuple(ref for loss in found[:3] for ref in loss.view.frames(*loss.copies[:3], loss.repair))
        return "; ".join(told) + more, frames

    def _losses(self, evidence: Evidence, connection: Connection) -> list[Loss]:
        sides = {"client": (True,), "server": (False,)}.get(self.lost, (True, False))
        return [loss for client in sides for loss in losses(evidence, connection, client)]


def _told(loss: Loss, name: str) -> str:
    times = f" {len(loss.copies)} times" if len(loss.copies) > 1 else ""
    how = f"{_FAST}, after {count(loss.duplicates, 'duplicate ACK')}" if loss.fast else _TIMER
    return f"{loss.name} of {name} was lost{times}, and sent again {_milliseconds(loss.delay)} ms later {how}"


def _milliseconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e6:.1f}" if nanoseconds < 10_000_000 else str(round(nanoseconds / 1e6))

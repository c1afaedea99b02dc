"""`tcp-window`: a reader that does not read closes its window, its sender waits, and the window opens again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes, causes_talk
from lab.checks.base import Cause, FrameRef
from lab.checks.connections import Connection, Found, Seen, points_of
from lab.checks.diagnose import Fault
from lab.checks.names import count
from lab.checks.programs import idle, trouble
from lab.checks.stalls import Stall, longest, stalls, window_shift, windows
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Choice, Duration, param
from lab.trace.packets import Packet
from lab.trace.path import identity


@dataclass(frozen=True)
class TcpWindow(TcpCheck):
    """A reader's window went to zero, its sender waited, and when the window opened again it went on.

    Judged at the sender's capture, and each closing and reopening also at the reader's, so both ends have to be
    captured. While the window is zero a sender may probe it, by one byte or none. Every window that closed must have
    opened again. A window's bytes are told only where both SYNs, which offer a scale, were captured; zero is zero on
    any scale. Resets and SYNs carry no window that counts.
    """

    kind: ClassVar[str] = "tcp-window"
    claims: ClassVar[tuple[str, ...]] = ("C18",)
    rule: ClassVar[str] = "RFC 9293 §3.8.6, §3.8.6.1 (zero-window probes); RFC 7323 §2.2 (window scale)"
    says: ClassVar[str] = "the window of client or server never went to zero: the smallest was 64240 bytes"

    reader: str = param(Choice("client", "server", "either"), "which side's window has to close", default="either")
    at_least: float | None = param(Duration(), "how long one closing has to last", default=None)

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        whose = self._named()
        least = f" for {self.at_least:g} s at least" if self.at_least is not None else ""
        return f"the window of {whose} goes to zero{least}, opens again, and the other side goes on sending"

    def needed(self, evidence: Evidence) -> str | None:
        """What of the evidence it cannot do without and the exercise left out."""
        for node in (self.source, self.to):
            if any(point not in evidence.captures for point in points_of(evidence, node)):
                return f"the exercise does not capture at {node}, so the window is not seen at both ends"
        return None

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """A window that was not opened again, that a sender ignored, or that its reader never sent."""
        for stall in self._stalls(connection):
            reader, sender = self._ends(stall)
            own = connection.at_client if stall.reader is stall.view.client else connection.at_server
            for packet in (stall.closed, stall.reopened):
                if packet is not None and not _sent(own, packet):
                    seen = f"frame {stall.view.frame(packet)} tells a window that {reader} never sent so"
                    return Fault(seen, causes.altered(seen), stall.view.frames(packet))
            if stall.overrun is not None:
                seen = f"{sender} sent new bytes although the window of {reader} was zero"
                look = "what flow control asks of a sender, and whether this one is an ordinary TCP"
                return Fault(seen, Cause("overrun", seen, look), stall.view.frames(stall.closed, stall.overrun))
            if stall.reopened is None:
                return self._shut(evidence, stall, reader)
        return None

    def _shut(self, evidence: Evidence, stall: Stall, reader: str) -> Fault:
        talk = stall.view.conversation
        seen = f"the window of {reader} went to zero after {count(stall.start, 'byte')} and never opened again"
        shown = stall.view.frames(stall.closed, *stall.probes[:2], talk.reset)
        blame = trouble(evidence, [reader], submitted=True)
        if blame is not None:
            return Fault(seen, blame.cause, shown, blame.timed)
        if talk.reset is not None and talk.reset is stall.reader.reset:
            return Fault(f"{seen}: {reader} ended the connection by RST", causes_talk.reset(reader), shown)
        look = f"whether {reader} reads on: its kernel opens the window when its program has read"
        return Fault(seen, Cause("never-reopened", seen, look), shown, timed=True)

    def fault_of_all(self, evidence: Evidence, found: Found, connections: Sequence[Connection]) -> Fault | None:
        """No window was closed for long enough, or nobody waited for it."""
        every = [stall for connection in connections for stall in self._stalls(connection)]
        held = [stall for stall in every if self.at_least is None or stall.length >= self.at_least * 1e9]
        if not held:
            return self._never_held(evidence, connections, every)
        if not any(stall.resumed for stall in held):
            reader, sender = self._ends(held[0])
            seen = f"the window of {reader} was zero, and {sender} had nothing more to send when it opened"
            shown = held[0].view.frames(held[0].closed, held[0].reopened)
            return Fault(seen, Cause("not-resumed", seen, f"how much {sender} sends: more than {reader} has room for"),
                         shown)  # fmt: skip
        return None

    def _never_held(self, evidence: Evidence, connections: Sequence[Connection], every: Sequence[Stall]) -> Fault:
        """No pause shows: how busy the machine was decides whether a window closed for a moment, so both are one."""
        look = "when the program reads: a window closes only when what has come lies unread, and more comes"
        shown: tuple[FrameRef, ...] = ()
        if every:
            most = longest(every)
            seen = f"the window of {self._ends(most)[0]} was zero for {_seconds(most.length)} s at most"
            look += ", and for as long as it does"
            shown = most.view.frames(most.closed, most.reopened)
        else:
            sides = [(connection, client) for connection in connections for client in self._reading()]
            least = [window for connection, client in sides for window in windows(connection, client)]
            seen = f"the window of {self._named()} never went to zero"
            seen += f": the smallest was {count(min(least), 'byte')}" if least else ""
        blame = trouble(evidence, [self.source, self.to], submitted=True) or idle(evidence, [self.source, self.to])
        cause = blame.cause if blame else Cause("no-stall", seen, look)
        return Fault(seen, cause, shown, blame is None or blame.timed)  # a busy sender fills the window late

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The longest stall that ended well."""
        every = [stall for connection in connections for stall in self._stalls(connection)]
        stall = longest([each for each in every if each.resumed is not None])
        reader, sender = self._ends(stall)
        opened = stall.reopened or stall.closed
        shift = window_shift(stall.reader, stall.view.conversation.peer(stall.reader))
        size = "of unknown scale" if shift is None else f"of {count(opened.window << shift, 'byte')}"
        seen = (f"the window of {reader} went to zero when {count(stall.start, 'byte')} had been acknowledged; "
                f"{_seconds(stall.length)} s and {count(len(stall.probes), 'probe')} later it was open again, one "
                f"{size}, and {sender} went on")  # fmt: skip
        if len(every) > 1:
            seen += f"; so {len(every)} times, this the longest"
        return seen, stall.view.frames(stall.closed, *stall.probes[:2], stall.reopened, stall.resumed)

    def _reading(self) -> tuple[bool, ...]:
        return {"client": (True,), "server": (False,)}.get(self.reader, (True, False))

    def _stalls(self, connection: Connection) -> list[Stall]:
        return [stall for client in self._reading() for stall in stalls(connection, client)]

    def _ends(self, stall: Stall) -> tuple[str, str]:
        """The names of reader and sender."""
        ends = self.source, self.to
        return ends if stall.reader is stall.view.client else ends[::-1]

    def _named(self) -> str:
        return {"client": self.source, "server": self.to}.get(self.reader, f"{self.source} or {self.to}")


def _sent(view: Seen | None, packet: Packet) -> bool:
    """Whether an end sent a packet with this very window."""
    key = identity(packet)
    packets = view.conversation.packets if view else ()
    return any(each.window == packet.window and identity(each) == key for each in packets)


def _seconds(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.2g}" if nanoseconds < 1_000_000_000 else f"{nanoseconds / 1e9:.1f}"

"""`tcp-timeout`: nobody answers, and the client's TCP asks again, ever less often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause
from lab.checks.connections import Connection, Found, Seen
from lab.checks.diagnose import Fault
from lab.checks.names import count, listed
from lab.checks.states import sockets
from lab.checks.tcp import Praise
from lab.checks.tcp_tries import TcpTry, told_unreachable
from lab.evidence import Evidence
from lab.grammar import Int, param
from lab.trace.packets import ACK, SYN, Packet

_FIRST = 0.9  # s; RFC 6298 §2.1 starts with 1 s, and a kernel's timer never runs out so much too early
_SHRUNK = 0.7  # of the gap before: a busy machine makes a gap longer, and so the next one shorter beside it


@dataclass(frozen=True)
class TcpTimeout(TcpTry):
    """A SYN that nobody answered was sent again, with the same sequence number, after gaps that never shrink.

    The first gap is a second. Linux since 6.5 waits a second four times over before it doubles the gap
    (tcp_syn_linear_timeouts), so equal gaps are right. An answer of any kind, RST, SYN-ACK or an ICMP error, is a
    failure, and so is a program that gives up before the SYN was repeated.
    """

    kind: ClassVar[str] = "tcp-timeout"
    claims: ClassVar[tuple[str, ...]] = ("C9",)
    rule: ClassVar[str] = "RFC 6298 §2.1, §5.5; RFC 9293 §3.8.3"
    says: ClassVar[str] = "client sent 1 SYN and then no more"

    syns: int = param(Int(2, 7), "how many SYNs there must be at least: with the first", default=2)

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        return (f"nobody answers the SYN of {self.source} to port {self.port} of {self.to}: it is sent "
                f"{self.syns} times or more, with one sequence number")  # fmt: skip

    def disagreement(self, evidence: Evidence, found: Found, connection: Connection) -> Fault | None:
        """What shows that it was not the client who tried; a SYN that was lost on its way is seen at its end only."""
        return super().disagreement(evidence, found, connection) if connection.at_client is None else None

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """What else than silence became of the try."""
        view = connection.views[0]
        syns = _syns(view)
        if not syns:
            text = f"there is no SYN from {self.source} at {view.node}"
            return Fault(text, causes.bad_handshake(text), view.frames(*view.conversation.packets[:1]))
        answers = [segment.packet for segment in view.conversation.segments if segment.side is view.server]
        if view.conversation.refused is not None:
            seen = f"{self.to} refused the connection to port {self.port} (RST)"
            cause = causes.refused(self.source, self.to, self.port)
            return Fault(seen, cause, view.frames(syns[0], view.conversation.refused))
        if answers:
            seen = f"{self.to} answered the SYN to port {self.port}"
            look = f"which programs listen on port {self.port} of {self.to}"
            return Fault(seen, Cause("answered", seen, look), view.frames(syns[0], answers[0]))
        if told := told_unreachable(evidence, syns[0]):
            cause = Cause("icmp-unreachable", told[0], "an ICMP error is an answer: the program is told at once")
            return Fault(told[0], cause, (*view.frames(syns[0]), told[1]))
        if len(syns) < self.syns:
            seen = f"{self.source} sent {count(len(syns), 'SYN')} and then no more"
            look = "how long the program waits for connect(): the SYN is repeated after one second"
            return Fault(seen, Cause("gave-up", seen, look), view.frames(*syns), timed=True)
        gaps = _gaps(syns)
        shrunk = any(later < _SHRUNK * before for before, later in pairwise(gaps))
        if gaps[0] < _FIRST or shrunk:
            text = f"the SYN was repeated after {_seconds(gaps)}, sooner than a TCP may"
            return Fault(text, causes.bad_handshake(text), view.frames(*syns))
        return None

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The SYNs of the first try, their gaps, and where they came to."""
        view = connections[0].views[0]
        syns = _syns(view)
        seen = (f"{count(len(syns), 'SYN')}, each with ISN {syns[0].seq}, repeated after {_seconds(_gaps(syns))}; "
                "no answer")  # fmt: skip
        there = connections[0].at_server
        if there is not None and connections[0].at_client is not None:
            listening = sockets(evidence, "after", self.to) or ()
            full = any(s.protocol == "tcp" and s.state == "LISTEN" and s.port == self.port for s in listening)
            seen += f"; they arrived at {self.to}" + (", where a program listens: its backlog was full" if full else "")
        return seen, view.frames(*syns[:6])


def _syns(view: Seen) -> list[Packet]:
    mine = (segment.packet for segment in view.conversation.segments if segment.side is view.client)
    return [packet for packet in mine if packet.flags & (SYN | ACK) == SYN]


def _gaps(syns: Sequence[Packet]) -> list[float]:
    return [(later.time - before.time) / 1e9 for before, later in pairwise(syns)]


def _seconds(gaps: Sequence[float]) -> str:
    return f"{listed([f'{gap:.1f}' for gap in gaps])} s"

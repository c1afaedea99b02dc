"""Tries to connect that came to nothing: what answered them, if anything did."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from lab.checks.base import Cause, FrameRef
from lab.checks.connections import Connection, Found
from lab.checks.diagnose import Fault, no_connection
from lab.checks.icmp_errors import about
from lab.checks.names import who
from lab.checks.tcp import TcpCheck
from lab.evidence import Evidence
from lab.trace.packets import ICMP, ICMPV6, Packet

_UNREACHABLE = {ICMP: 3, ICMPV6: 1}  # RFC 792, RFC 4443 §3.1
_PROHIBITED = {(ICMP, 9), (ICMP, 10), (ICMP, 13), (ICMPV6, 1), (ICMPV6, 5), (ICMPV6, 6)}  # RFC 1812 §5.2.7.1


@dataclass(frozen=True)
class TcpTry(TcpCheck):
    """A check on tries to connect, none of which may have led to a connection."""

    @abstractmethod
    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """What is wrong with a try that led to no connection."""

    def chosen(self, found: Found) -> Sequence[Connection]:
        """Every try that is meant, whatever became of it."""
        return found.connections[:1] if self.connection == "first" else found.connections

    def missing(self, evidence: Evidence, found: Found, chosen: Sequence[Connection]) -> Fault | None:
        """Why nothing was tried, or that somebody listened."""
        if not chosen:
            return no_connection(evidence, found, self.source, self.to, self.port)
        for view in (connection.views[0] for connection in chosen if connection.established):
            talk = view.conversation
            seen = f"{self.to} accepted a connection of {self.source} to port {self.port}"
            cause = Cause("accepted", seen, f"which programs listen on port {self.port} of {self.to}")
            return Fault(seen, cause, view.frames(talk.syn, talk.syn_ack, talk.handshake_ack))
        return None


def told_unreachable(evidence: Evidence, syn: Packet) -> tuple[str, FrameRef] | None:
    """Who answered a SYN by an ICMP error and what that said, in words; None where nobody did."""
    for point, capture in evidence.captures.items():
        for error in capture.judged:
            if error.icmp_type == _UNREACHABLE.get(error.protocol) and about(error, syn):
                what = "that it is prohibited" if (error.protocol, error.icmp_code) in _PROHIBITED else "unreachable"
                return f"{who(evidence.plan, error.src)} answered by ICMP: {what}", FrameRef(point, error.number)
    return None

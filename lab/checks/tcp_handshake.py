"""`tcp-handshake`: SYN, SYN-ACK and ACK, whose numbers fit together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from lab.checks import causes
from lab.checks.connections import Connection, Found, Seen
from lab.checks.diagnose import Fault, wrong_numbers
from lab.checks.names import count
from lab.checks.states import sysctl
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Choice, param
from lab.trace.packets import ACK, CWR, ECE, SYN, flags_text

_LINUX_RANGE = (32768, 60999)
_TIME_WAIT = 60_000_000_000  # ns, Linux's TCP_TIMEWAIT_LEN


@dataclass(frozen=True)
class TcpHandshake(TcpCheck):
    """A connection was opened: SYN (x), SYN-ACK (y, acknowledging x+1), ACK (x+1, acknowledging y+1).

    The destination port is the one asked for, the source port lies in the node's own dynamic range and was not in
    TIME-WAIT, and of several connections no two have the same initial sequence number. Repeated SYNs are no fault.
    """

    kind: ClassVar[str] = "tcp-handshake"
    claims: ClassVar[tuple[str, ...]] = ("C2", "C8", "C9", "C10")
    rule: ClassVar[str] = "RFC 9293 §3.4.1, §3.5; RFC 6056 §3.2"
    says: ClassVar[str] = "client never confirmed the SYN-ACK of server"

    source_port: str = param(
        Choice("dynamic", "any"), "whether the source port must lie in the node's dynamic range", default="dynamic"
    )

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        return f"{self.source} opens a connection to {self.to} port {self.port}: SYN, SYN-ACK, ACK"

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """What is wrong with an opened connection."""
        for view in connection.views:
            talk = view.conversation
            if not view.established:
                return wrong_numbers(view, self.source, self.to) or _incomplete(view)
            if fault := _wrong_third(view):
                return fault
            for packet, wanted in ((talk.syn, SYN), (talk.syn_ack, SYN | ACK)):
                if packet is not None and packet.flags & ~(ECE | CWR) != wanted:
                    text = f"{view.frame(packet)} has the flags {flags_text(packet.flags)}, not {flags_text(wanted)}"
                    return Fault(text, causes.bad_handshake(text), view.frames(packet))
        return self._port_fault(evidence, connection.views[0]) if self.source_port == "dynamic" else None

    def _port_fault(self, evidence: Evidence, view: Seen) -> Fault | None:
        low, high = _dynamic_range(evidence, self.source)
        if low <= view.client.port <= high:
            return None
        seen = f"the source port is {view.client.port}, outside the dynamic range {low} to {high} of {self.source}"
        return Fault(seen, causes.fixed_source_port(self.source, view.client.port), view.frames(view.client.syn))

    def fault_of_all(self, evidence: Evidence, found: Found, connections: Sequence[Connection]) -> Fault | None:
        """Two connections that began with the same sequence number (RFC 9293 §3.4.1)."""
        for at in ("client", "server"):
            sides = [(view, getattr(view, at)) for each in found.connections for view in each.views[:1]]
            known = sorted(((view, side) for view, side in sides if side.isn is not None), key=lambda one: one[1].isn)
            for (view, side), (other, its) in pairwise(known):
                if side.isn == its.isn:
                    text = f"two connections of the {at} began with the same sequence number {side.isn}"
                    return Fault(text, causes.bad_handshake(text), view.frames(side.syn) + other.frames(its.syn))
        return self._same_port(evidence, found.connections) if self.source_port == "dynamic" else None

    def _same_port(self, evidence: Evidence, connections: Sequence[Connection]) -> Fault | None:
        """A port that was used again at once: while it is in TIME-WAIT no kernel chooses it (RFC 9293 §3.6.1).

        Linux may be told to (tcp_tw_reuse).
        """
        if sysctl(evidence, self.source, "net.ipv4.tcp_tw_reuse") == "1":
            return None
        left: dict[tuple[int, bytes], Seen] = {}  # by the client's port and the server's address; the client closed
        for view in (each.views[0] for each in connections if each.established):
            port = view.client.port
            before, syn = left.get((port, view.server.address)), view.client.syn
            fin = before.client.fin if before else None
            if before and fin and syn and syn.time - fin.time < _TIME_WAIT:
                seen = f"two connections came from port {port} of {self.source}, which was in TIME-WAIT"
                shown = before.frames(before.client.syn) + view.frames(syn)
                return Fault(seen, causes.fixed_source_port(self.source, port), shown)
            if view.first_to_close() is view.client:
                left[port, view.server.address] = view
        return None

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The three packets of the first connection."""
        view = connections[0].views[0]
        talk = view.conversation
        early = (talk.syn_ack.ack - talk.syn.seq - 1) % 2**32 if talk.syn and talk.syn_ack else 0
        taken = f" and {count(early, 'byte')} that came with the SYN" if early else ""
        seen = (f"source port {view.client.port}; SYN with ISN {view.client.isn}; SYN-ACK with ISN {view.server.isn}, "
                f"acknowledging the client's + 1{taken}; ACK acknowledging the server's + 1")  # fmt: skip
        if len(connections) > 1:
            seen = f"{count(len(connections), 'connection')}, the first: {seen}"
        return seen, view.frames(talk.syn, talk.syn_ack, talk.handshake_ack)


def _incomplete(view: Seen) -> Fault:
    talk = view.conversation
    step = "SYN" if talk.syn is None else "SYN-ACK" if talk.syn_ack is None else "third packet"
    text = f"the {step} of the handshake was not seen at {view.node}"
    return Fault(text, causes.bad_handshake(text), view.frames(talk.syn, talk.syn_ack), timed=True)


def _wrong_third(view: Seen) -> Fault | None:
    """The client's first packet after the SYN-ACK, if it does not acknowledge the server's ISN + 1."""
    talk, answer = view.conversation, view.conversation.syn_ack
    if answer is None:
        return None
    packets = iter(talk.segments)
    confirmed = next((s for s in packets if s.packet is answer), None)
    third = next((s.packet for s in packets if s.side is view.client and not s.packet.flags & SYN), None)
    wanted = (answer.seq + 1) % 2**32
    if confirmed is None or third is None or third.ack == wanted:
        return None
    text = f"the third packet acknowledges {third.ack}, where the server's ISN + 1 is {wanted}"
    return Fault(text, causes.bad_handshake(text), view.frames(talk.syn, answer, third))


def _dynamic_range(evidence: Evidence, node: str) -> tuple[int, int]:
    """The node's own `ip_local_port_range`; Linux's default where it was not recorded."""
    words = (sysctl(evidence, node, "net.ipv4.ip_local_port_range") or "").split()
    if len(words) == 2 and all(word.isdecimal() for word in words):
        return int(words[0]), int(words[1])
    return _LINUX_RANGE

"""Why a datagram that arrived was not answered: where the node's programs had UDP sockets, and how they ended."""

from __future__ import annotations

from lab.checks import causes, causes_talk
from lab.checks.base import Cause, FrameRef
from lab.checks.icmp_errors import ends, port_unreachable
from lab.checks.names import address_of, addresses_of, interfaces_of, who
from lab.checks.programs import gone, steps_on
from lab.checks.states import sockets
from lab.evidence import Evidence
from lab.trace.packets import UDP, Packet

_DYNAMIC = 32768  # ports from here on are the kernel's to give to who asks for none


def unanswered(evidence: Evidence, node: str, asker: str, port: int | None) -> tuple[Cause, FrameRef] | None:
    """Why a node that got a datagram of the asker sent none back, and the datagram; None where it got none."""
    askers, own = addresses_of(evidence.plan, asker), addresses_of(evidence.plan, node)
    for interface in interfaces_of(evidence.plan, node):
        capture = evidence.captures.get(interface.point)
        for packet in capture.judged if capture else ():
            meant = packet.protocol == UDP and packet.src in askers and packet.dst in own
            if meant and port in (None, packet.dport):
                cause = _not_received(evidence, node, packet) or not_taken(evidence, node, packet)
                cause = cause or causes_talk.never_answered(node, packet.payload)
                return cause, FrameRef(interface.point, packet.number)
    return None


def not_taken(evidence: Evidence, node: str, packet: Packet) -> Cause | None:
    """Why the node's kernel said that no socket takes a datagram (RFC 1122 §4.1.3.1), None if it did not."""
    if ends(packet) not in port_unreachable(evidence, node):
        return None
    if blame := gone(evidence, node):
        return blame.cause
    who_asked = who(evidence.plan, packet.src)
    return Cause("not-taken", f"{node} told {who_asked} by ICMP that no socket takes its datagrams to UDP port "
                 f"{packet.dport}", "whether the socket is still open, and connect(): a UDP socket that is connected "
                 "takes datagrams of that one peer alone")  # fmt: skip


def _not_received(evidence: Evidence, node: str, packet: Packet) -> Cause | None:
    """Why no program of a node got a datagram, None if one could."""
    recorded = [sockets(evidence, phase, node) for phase in ("after", "settled")]
    listed = [socket for found in recorded if found is not None for socket in found]
    bound = [socket for socket in listed if socket.protocol == "udp"]
    here = [socket for socket in bound if socket.port == packet.dport]
    if any(socket.address.is_unspecified or socket.address.packed == packet.dst for socket in here):
        return None
    if here:
        return causes.wrong_address(node, str(here[0].address), packet.dport, str(address_of(packet.dst)))
    if any(socket.protocol == "tcp" and socket.port == packet.dport for socket in listed):
        return causes.tcp_for_udp(node, packet.dport)
    if ports := sorted({socket.port for socket in bound if socket.port < _DYNAMIC}):
        return causes.wrong_port(node, ports, packet.dport)
    for step, result in steps_on(evidence, [node]):
        if step.background and result.ended == "exited":
            return causes.ended_early(result)
    return causes.not_listening(node, packet.dport, "UDP") if any(f is not None for f in recorded) else None

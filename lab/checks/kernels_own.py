"""What a node's kernel sends by itself, whatever its programs do."""

from __future__ import annotations

from collections.abc import Sequence

from lab.checks.connections import points_of
from lab.checks.icmp_errors import echo_numbers, key, key_of_quoted
from lab.checks.names import mac_bytes
from lab.evidence import Evidence
from lab.trace.packets import ICMP, ICMPV6, RST, TCP, Packet

_IGMP = 2
_V6 = (*range(130, 138), 143)  # ICMPv6: group membership and neighbour discovery (RFC 2710, 4861, 3810)
_ECHO = {(ICMP, 0): (ICMP, 8), (ICMPV6, 129): (ICMPV6, 128)}  # a reply, and its request


def housekeeping(packet: Packet) -> bool:
    """Whether it tells a segment who is there and what it listens to: neighbour discovery and group membership."""
    return packet.protocol == _IGMP or (packet.protocol == ICMPV6 and packet.icmp_type in _V6)


def answers(evidence: Evidence, node: str, sent: Sequence[Packet]) -> set[int]:
    """Which of the packets that a node sent its kernel answered to one that had come to it, as their `id`.

    These are ICMP errors and echo replies (RFC 1122 §3.2.2), and a reset where the node has no such connection
    (RFC 9293 §3.10.7.1).
    """
    came: set[object] = set()
    for point in points_of(evidence, node):
        own = mac_bytes(evidence.plan.points[point].mac)
        for packet in evidence.captures[point].judged:
            if packet.version and packet.src_mac != own:
                came |= {key(packet), _echo(packet), _ends(packet, back=True)}
    talked = {_ends(each) for each in sent if each.protocol == TCP and not each.flags & RST}
    found = set()
    for packet in sent:
        about = key_of_quoted(packet)
        if about is not None:
            own_answer = about in came and about[0] == packet.dst
        elif request := _ECHO.get((packet.protocol, packet.icmp_type)):
            own_answer = (packet.dst, *request, echo_numbers(packet)) in came
        else:
            reset = packet.protocol == TCP and packet.flags & RST
            own_answer = bool(reset) and _ends(packet) in came and _ends(packet) not in talked
        if own_answer:
            found.add(id(packet))
    return found


def _echo(packet: Packet) -> object:
    return packet.src, packet.protocol, packet.icmp_type, echo_numbers(packet)


def _ends(packet: Packet, back: bool = False) -> object:
    """The ends of a connection as its packets one way say them, or those the other way."""
    ends = (packet.src, packet.sport), (packet.dst, packet.dport)
    return (packet.protocol, *(ends[::-1] if back else ends))

"""ICMP as checks compare it: echoes by their numbers, errors by the packets that they quote (RFC 792, RFC 4443)."""

from __future__ import annotations

from lab.checks.base import FrameRef
from lab.checks.names import addresses_of
from lab.evidence import Evidence
from lab.trace.packets import ICMP, ICMPV6, Packet, quoted

Ends = tuple[bytes, bytes, int, bytes]
Key = tuple[bytes, bytes, int, int, bytes]

PORT_UNREACHABLE = {(ICMP, 3, 3), (ICMPV6, 1, 4)}  # protocol, type, code: RFC 792, RFC 4443 §3.1


def ends(packet: Packet) -> Ends:
    """Addresses, protocol and ports, which an error about the packet quotes of it whole."""
    start = packet.transport_start
    return packet.src, packet.dst, packet.protocol, packet.data[start : start + 4]


def about(error: Packet, packet: Packet) -> bool:
    """Whether an ICMP error quotes a packet: by its addresses, protocol and ports."""
    original = quoted(error)
    return original is not None and ends(original) == ends(packet)


def echo_numbers(packet: Packet) -> bytes:
    """An echo's identifier and sequence number."""
    return packet.data[packet.transport_start + 4 : packet.transport_start + 8]


def key(packet: Packet) -> Key:
    """What an error tells of the packet that it quotes: addresses, and of the transport the first four bytes."""
    start = packet.transport_start
    return packet.src, packet.dst, packet.protocol, packet.identification, packet.data[start : start + 4]


def key_of_quoted(error: Packet) -> Key | None:
    """The key of the packet that an error is about; None for other packets."""
    original = quoted(error)
    return key(original) if original is not None else None


def port_unreachable(evidence: Evidence, node: str) -> dict[Ends, list[tuple[FrameRef, Packet]]]:
    """A node's own words that nobody has a port, wherever they were seen, by the ends of what they quote."""
    own = addresses_of(evidence.plan, node)
    found: dict[Ends, list[tuple[FrameRef, Packet]]] = {}
    for point, capture in evidence.captures.items():
        for error in capture.judged:
            told = (error.protocol, error.icmp_type, error.icmp_code) in PORT_UNREACHABLE and error.src in own
            if told and (original := quoted(error)) is not None:
                found.setdefault(ends(original), []).append((FrameRef(point, error.number), error))
    return found

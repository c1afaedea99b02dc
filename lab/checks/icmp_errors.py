"""ICMP errors and the packets that they quote (RFC 792, RFC 4443)."""

from __future__ import annotations

from collections.abc import Iterator

from lab.checks.base import FrameRef
from lab.checks.names import addresses_of
from lab.evidence import Evidence
from lab.trace.packets import ICMP, ICMPV6, Packet, quoted

Key = tuple[bytes, bytes, int, int, bytes]

PORT_UNREACHABLE = {(ICMP, 3, 3), (ICMPV6, 1, 4)}  # protocol, type, code: RFC 792, RFC 4443 §3.1


def about(error: Packet, packet: Packet) -> bool:
    """Whether an ICMP error quotes a packet: by its addresses, protocol and ports."""
    original = quoted(error)
    if original is None or (original.src, original.dst, original.protocol) != (packet.src, packet.dst, packet.protocol):
        return False
    ports = original.data[original.transport_start : original.transport_start + 4]
    return ports == packet.sport.to_bytes(2, "big") + packet.dport.to_bytes(2, "big")


def key(packet: Packet) -> Key:
    """What an error tells of the packet that it quotes: addresses, and of the transport the first four bytes."""
    start = packet.transport_start
    return packet.src, packet.dst, packet.protocol, packet.identification, packet.data[start : start + 4]


def key_of_quoted(error: Packet) -> Key | None:
    """The key of the packet that an error is about; None for other packets."""
    original = quoted(error)
    return key(original) if original is not None else None


def port_unreachable(evidence: Evidence, node: str, packet: Packet) -> Iterator[tuple[FrameRef, Packet]]:
    """A node's own words that nobody has the port that a packet was for, wherever they were seen."""
    own = addresses_of(evidence.plan, node)
    for point, capture in evidence.captures.items():
        for error in capture.judged:
            told = (error.protocol, error.icmp_type, error.icmp_code) in PORT_UNREACHABLE
            if told and error.src in own and about(error, packet):
                yield FrameRef(point, error.number), error

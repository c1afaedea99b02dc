"""The fields of a packet by Wireshark's names (https://www.wireshark.org/docs/dfref/), for filters.

A field has as many values as the packet has headers of that kind: an ICMP error quotes the packet that it is about,
and its addresses and ports count too, as Wireshark has it. A fragmented packet has its transport's fields in its last
fragment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from lab.trace.fragments import Reassembly
from lab.trace.packets import ACK, FIN, ICMP, ICMPV6, PSH, RST, SYN, TCP, UDP, Packet, quoted

Value = int | bytes
Kind = Literal["number", "flag", "MAC address", "IPv4 address", "IPv6 address"]


@dataclass(frozen=True)
class Sight:
    """One captured frame as filters see it: `network` holds its IP headers, `transport` what these carry."""

    frame: Packet
    network: tuple[Packet, ...]
    transport: tuple[Packet, ...]


def sights(packets: Iterable[Packet]) -> Iterator[Sight]:
    """The frames of one capture point, in their order."""
    reassembly = Reassembly()
    for packet in packets:
        whole: Packet | None = packet
        if packet.more_fragments or packet.fragment_offset:
            whole = reassembly.add(packet)
        yield sight(packet, whole)


def sight(frame: Packet, whole: Packet | None) -> Sight:
    """A frame and the packet whose transport it has: itself, or what its fragments make; None for no transport."""
    about = quoted(whole) if whole else None
    quotes = (about,) if about else ()
    return Sight(frame, (frame, *quotes), (whole, *quotes) if whole else ())


@dataclass(frozen=True)
class Field:
    """A field: the kind and the bits of its values, and where they are found."""

    name: str
    kind: Kind
    bits: int
    values: Callable[[Sight], list[Value]]


def _frame(read: Callable[[Packet], Value | None]) -> Callable[[Sight], list[Value]]:
    return lambda sight: [value for value in (read(sight.frame),) if value is not None]


def _network(version: int, *reads: Callable[[Packet], Value]) -> Callable[[Sight], list[Value]]:
    return lambda sight: [read(packet) for packet in sight.network if packet.version == version for read in reads]


def _transport(
    protocol: int, *reads: Callable[[Packet], Value], of_quoted: bool = True
) -> Callable[[Sight], list[Value]]:
    return lambda sight: [
        read(packet)
        for packet in (sight.transport if of_quoted else sight.transport[:1])
        if packet.version and packet.protocol == protocol and packet.payload_start > packet.transport_start
        for read in reads
    ]


def _word(packet: Packet, at: int) -> int:
    return int.from_bytes(packet.data[at : at + 2], "big")


def _ether_type(packet: Packet) -> int | None:
    """What the frame's own header says; less than 1536 is a length there (IEEE 802.3 section 3.2.6)."""
    kind = _word(packet, 12) if packet.dst_mac else 0
    return kind if kind >= 0x600 else None


def _flag(bit: int) -> Callable[[Sight], list[Value]]:
    return _transport(TCP, lambda p: int(p.flags & bit != 0))


def _mac(*reads: Callable[[Packet], Value]) -> Callable[[Sight], list[Value]]:
    return lambda sight: [read(sight.frame) for read in reads if sight.frame.dst_mac]


_ALL = (
    Field("frame.len", "number", 32, _frame(lambda p: p.length)),
    Field("eth.src", "MAC address", 48, _mac(lambda p: p.src_mac)),
    Field("eth.dst", "MAC address", 48, _mac(lambda p: p.dst_mac)),
    Field("eth.addr", "MAC address", 48, _mac(lambda p: p.src_mac, lambda p: p.dst_mac)),
    Field("eth.type", "number", 16, _frame(_ether_type)),
    Field("arp.opcode", "number", 16, _frame(lambda p: p.arp_operation or None)),
    Field("ip.src", "IPv4 address", 32, _network(4, lambda p: p.src)),
    Field("ip.dst", "IPv4 address", 32, _network(4, lambda p: p.dst)),
    Field("ip.addr", "IPv4 address", 32, _network(4, lambda p: p.src, lambda p: p.dst)),
    Field("ip.ttl", "number", 8, _network(4, lambda p: p.ttl)),
    Field("ip.proto", "number", 8, _network(4, lambda p: p.data[p.ip_start + 9])),
    Field("ip.len", "number", 16, _network(4, lambda p: _word(p, p.ip_start + 2))),
    Field("ip.flags.df", "flag", 1, _network(4, lambda p: int(p.dont_fragment))),
    Field("ipv6.src", "IPv6 address", 128, _network(6, lambda p: p.src)),
    Field("ipv6.dst", "IPv6 address", 128, _network(6, lambda p: p.dst)),
    Field("ipv6.addr", "IPv6 address", 128, _network(6, lambda p: p.src, lambda p: p.dst)),
    Field("ipv6.hlim", "number", 8, _network(6, lambda p: p.ttl)),
    Field("icmp.type", "number", 8, _transport(ICMP, lambda p: p.icmp_type)),
    Field("icmp.code", "number", 8, _transport(ICMP, lambda p: p.icmp_code)),
    Field("icmpv6.type", "number", 8, _transport(ICMPV6, lambda p: p.icmp_type)),
    Field("icmpv6.code", "number", 8, _transport(ICMPV6, lambda p: p.icmp_code)),
    Field("tcp.srcport", "number", 16, _transport(TCP, lambda p: p.sport)),
    Field("tcp.dstport", "number", 16, _transport(TCP, lambda p: p.dport)),
    Field("tcp.port", "number", 16, _transport(TCP, lambda p: p.sport, lambda p: p.dport)),
    Field("tcp.flags.syn", "flag", 1, _flag(SYN)),
    Field("tcp.flags.ack", "flag", 1, _flag(ACK)),
    Field("tcp.flags.fin", "flag", 1, _flag(FIN)),
    Field("tcp.flags.reset", "flag", 1, _flag(RST)),
    Field("tcp.flags.push", "flag", 1, _flag(PSH)),
    # These two Wireshark tells of no quoted segment.
    Field("tcp.len", "number", 32, _transport(TCP, lambda p: p.payload_length, of_quoted=False)),
    Field("tcp.seq_raw", "number", 32, _transport(TCP, lambda p: p.seq, of_quoted=False)),
    Field("tcp.ack_raw", "number", 32, _transport(TCP, lambda p: p.ack)),
    Field("tcp.window_size_value", "number", 16, _transport(TCP, lambda p: p.window)),
    Field("udp.srcport", "number", 16, _transport(UDP, lambda p: p.sport)),
    Field("udp.dstport", "number", 16, _transport(UDP, lambda p: p.dport)),
    Field("udp.port", "number", 16, _transport(UDP, lambda p: p.sport, lambda p: p.dport)),
    Field("udp.length", "number", 16, _transport(UDP, lambda p: _word(p, p.transport_start + 4))),
)
FIELDS = {each.name: each for each in _ALL}

PROTOCOLS: dict[str, Callable[[Sight], bool]] = {
    "eth": lambda sight: bool(sight.frame.dst_mac),
    "arp": lambda sight: sight.frame.arp_operation != 0,
    "ip": lambda sight: any(packet.version == 4 for packet in sight.network),
    "ipv6": lambda sight: any(packet.version == 6 for packet in sight.network),
    "icmp": lambda sight: bool(FIELDS["icmp.type"].values(sight)),
    "icmpv6": lambda sight: bool(FIELDS["icmpv6.type"].values(sight)),
    "tcp": lambda sight: bool(FIELDS["tcp.srcport"].values(sight)),
    "udp": lambda sight: bool(FIELDS["udp.srcport"].values(sight)),
}

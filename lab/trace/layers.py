"""The layers of a frame, one function each, outermost first: each fills its part of the packet and calls the next.

Every function returns why it had to stop, or None. `at` is where the layer begins and `end` where it ends according
to the layer before; a capture may hold fewer bytes than that.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from lab.trace.numbers import (
    ARP,
    AUTHENTICATION,
    DESTINATION,
    FRAGMENT,
    HOP_BY_HOP,
    ICMP,
    ICMPV6,
    IPV4,
    IPV6,
    LINK_ETHERNET,
    LINK_IPV4,
    LINK_IPV6,
    LINK_LOOP,
    LINK_NULL,
    LINK_RAW,
    LINK_RAW_OLD,
    LINK_RAW_OPENBSD,
    LINK_SLL,
    LINK_SLL2,
    ROUTING,
    TCP,
    UDP,
    VLAN,
    VLAN_OLD,
    VLAN_SERVICE,
)

if TYPE_CHECKING:
    from lab.trace.packets import Packet

_ETHERNET_HEADER = Struct("!6s6sH").unpack_from
_TAGS = (VLAN, VLAN_SERVICE, VLAN_OLD)
_TAG = Struct("!HH").unpack_from
_SLL = Struct("!2xHH8sH").unpack_from
_SLL2 = Struct("!H6xHxB8s").unpack_from
_HARDWARE = (1, 772)  # ARPHRD_ETHER and ARPHRD_LOOPBACK: an address of theirs is a MAC address
_FAMILIES = {2: IPV4, 10: IPV6, 24: IPV6, 28: IPV6, 30: IPV6}  # AF_INET; AF_INET6 of Linux, the BSDs and macOS
_ARP = Struct("!HHBBH6s4s6s4s").unpack_from
_IPV4 = Struct("!BxHHHBBxx4s4s").unpack_from
_IPV6 = Struct("!B3xHBB16s16s").unpack_from
_FRAGMENT = Struct("!BxHI").unpack_from
_TCP = Struct("!HHIIBBH").unpack_from
_UDP = Struct("!HHHH").unpack_from
_LOWER_6000, _LOWER_3008, _LOWER_1504 = ((1 << bits) - 1 for bits in (6000, 3008, 1504))  # multiples of 16
_number = int.from_bytes


def link(packet: Packet, data: bytes, link_type: int) -> str | None:
    """Decode from the link layer on; `link_type` as in a capture file."""
    end = packet.length if packet.length > len(data) else len(data)
    if link_type == LINK_ETHERNET:
        return _ethernet(packet, data, end)
    if link_type in (LINK_SLL, LINK_SLL2):
        return _cooked(packet, data, end, link_type)
    if link_type in (LINK_NULL, LINK_LOOP):
        return _loopback(packet, data, end, link_type)
    if link_type in (LINK_RAW, LINK_RAW_OLD, LINK_RAW_OPENBSD, LINK_IPV4, LINK_IPV6):
        if not data:
            return "the frame is empty"
        packet.ethertype = IPV6 if data[0] >> 4 == 6 else IPV4
        return _network(packet, data, 0, end)
    return f"frames of link type {link_type} are not decoded"


def _ethernet(packet: Packet, data: bytes, end: int) -> str | None:
    if len(data) < 14:
        return _short("Ethernet header", 14, len(data), end)
    packet.dst_mac, packet.src_mac, kind = _ETHERNET_HEADER(data)
    return _typed(packet, data, 14, end, kind)


def _cooked(packet: Packet, data: bytes, end: int, link_type: int) -> str | None:
    """LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2 of tcpdump.org: no destination, and a source only where it has one."""
    header = 16 if link_type == LINK_SLL else 20
    if len(data) < header:
        return _short("cooked capture header", header, len(data), end)
    if link_type == LINK_SLL:
        hardware, size, source, kind = _SLL(data)
    else:
        kind, hardware, size, source = _SLL2(data)
    if hardware in _HARDWARE and size == 6:
        packet.src_mac = source[:6]
    return _typed(packet, data, header, end, kind)


def _loopback(packet: Packet, data: bytes, end: int, link_type: int) -> str | None:
    """LINKTYPE_NULL and LINKTYPE_LOOP of tcpdump.org: four bytes that name the address family."""
    if len(data) < 4:
        return _short("loopback header", 4, len(data), end)
    family = int.from_bytes(data[:4], "big")
    if link_type == LINK_NULL and family > 0xFFFF:  # no family is so large: it was written by a little-endian machine
        family = int.from_bytes(data[:4], "little")
    if family not in _FAMILIES:
        return f"address family {family} of a loopback frame is not decoded"
    packet.ethertype = _FAMILIES[family]
    return _network(packet, data, 4, end)


def _typed(packet: Packet, data: bytes, at: int, end: int, kind: int) -> str | None:
    """What an ethertype announces, which may be VLAN tags first."""
    while kind in _TAGS:  # IEEE 802.1Q section 9
        if len(data) < at + 4:
            return _short("VLAN tag", 4, len(data) - at, end - at)
        tag, kind = _TAG(data, at)
        packet.vlans += (tag & 0x0FFF,)
        at += 4
    packet.ethertype = kind
    return _network(packet, data, at, end)


def _network(packet: Packet, data: bytes, at: int, end: int) -> str | None:
    kind = packet.ethertype
    if kind == IPV4:
        return _ipv4(packet, data, at, end)
    if kind == IPV6:
        return _ipv6(packet, data, at, end)
    if kind == ARP:
        return _arp(packet, data, at, end)
    packet.payload_start, packet.payload_length = at, end - at
    return None


def _arp(packet: Packet, data: bytes, at: int, end: int) -> str | None:
    """RFC 826."""
    if len(data) < at + 28:
        return _short("ARP packet", 28, len(data) - at, end - at)
    hardware, protocol, hardware_size, protocol_size, operation, *addresses = _ARP(data, at)
    if (hardware, protocol, hardware_size, protocol_size) != (1, IPV4, 6, 4):
        return f"ARP for hardware type {hardware} and protocol 0x{protocol:04x} is not decoded"
    packet.arp_operation = operation
    packet.arp_sender_mac, packet.arp_sender, packet.arp_target_mac, packet.arp_target = addresses
    return None


def _ipv4(packet: Packet, data: bytes, at: int, end: int) -> str | None:
    """RFC 791 section 3.1."""
    held = len(data)
    if held < at + 20:
        return _short("IPv4 header", 20, held - at, end - at)
    first, total, identification, fragment, ttl, protocol, src, dst = _IPV4(data, at)
    if first >> 4 != 4:
        return f"the IPv4 header says version {first >> 4}"
    header = (first & 0x0F) << 2
    if header < 20:
        return f"the IPv4 header says that it is {header} bytes long; 20 is the least"
    if held < at + header:
        return _short("IPv4 header", header, held - at, end - at)
    packet.version, packet.src, packet.dst, packet.ttl, packet.protocol = 4, src, dst, ttl, protocol
    packet.ip_start, packet.identification = at, identification
    packet.ip_checksum_ok = int.from_bytes(data[at : at + header], "big") % 0xFFFF == 0
    if total == 0:  # left to the network card by segmentation offload
        total = end - at
    if total < header:
        return f"the IPv4 total length of {total} is less than its header of {header}"
    if at + total > end:
        return f"the IPv4 total length of {total} is more than the {end - at} bytes that the frame carries"
    if fragment:
        packet.dont_fragment = fragment & 0x4000 != 0
        packet.more_fragments = fragment & 0x2000 != 0
        packet.fragment_offset = (fragment & 0x1FFF) << 3
    # Without options the addresses lie just before the payload, as the pseudo header has them (RFC 9293 section 3.1).
    summed = at + 12 if header == 20 else 0
    reason = _transport(packet, data, at + header, at + total, summed)
    return None if packet.more_fragments else reason  # a first fragment may end inside any header


def _ipv6(packet: Packet, data: bytes, at: int, end: int) -> str | None:
    """RFC 8200 sections 3 and 4."""
    held = len(data)
    if held < at + 40:
        return _short("IPv6 header", 40, held - at, end - at)
    first, length, following, hops, src, dst = _IPV6(data, at)
    if first >> 4 != 6:
        return f"the IPv6 header says version {first >> 4}"
    packet.version, packet.src, packet.dst, packet.ttl, packet.protocol = 6, src, dst, hops, following
    packet.ip_start = at
    summed = at + 8
    at += 40
    if length == 0 and following == HOP_BY_HOP:  # a jumbogram (RFC 2675), or left to the network card
        length = end - at
    if at + length > end:
        return f"the IPv6 payload length of {length} is more than the {end - at} bytes that the frame carries"
    end = at + length
    while following in _EXTENSIONS:
        summed = 0
        if min(held, end) < at + 8:
            return _short(f"IPv6 {_EXTENSIONS[following]} header", 8, min(held, end) - at, end - at)
        size = data[at + 1] * 4 + 8 if following == AUTHENTICATION else data[at + 1] * 8 + 8
        if following == FRAGMENT:
            size = 8
            _, offset, packet.identification = _FRAGMENT(data, at)
            packet.fragment_offset, packet.more_fragments = offset & 0xFFF8, offset & 1 != 0
        if at + size > end:
            return f"an IPv6 {_EXTENSIONS[following]} header of {size} bytes is longer than the packet"
        if at + size > held:
            return _short(f"IPv6 {_EXTENSIONS[following]} header", size, held - at, end - at)
        if following == ROUTING and data[at + 3]:
            dst = _final_destination(data, at, size)
        following = data[at]
        at += size
        if packet.fragment_offset:
            break
    packet.protocol = following
    reason = _transport(packet, data, at, end, summed, dst)
    return None if packet.more_fragments else reason


_EXTENSIONS = {
    HOP_BY_HOP: "hop-by-hop options",
    ROUTING: "routing",
    FRAGMENT: "fragment",
    AUTHENTICATION: "authentication",
    DESTINATION: "destination options",
}


def _final_destination(data: bytes, at: int, size: int) -> bytes:
    """Where a routing header ends: the pseudo header has that address (RFC 8200 section 8.1); empty if unknown."""
    if size < 24:
        return b""
    if data[at + 2] == 4:  # segment routing lists the last segment first (RFC 8754)
        return data[at + 8 : at + 24]
    if data[at + 2] in (0, 2):
        return data[at + size - 16 : at + size]
    return b""


def _transport(packet: Packet, data: bytes, at: int, end: int, summed: int, dst: bytes | None = None) -> str | None:
    """The layer above IP; `summed` is where both addresses begin if they lie just before `at`, else 0.

    `dst` is the destination for the checksum where it may be another than the packet's, empty where unknown.
    """
    packet.transport_start = packet.payload_start = at
    packet.payload_length = end - at
    if packet.fragment_offset:
        return None
    protocol, held = packet.protocol, len(data)
    extra = protocol + end - at
    verifiable = end <= held and not packet.more_fragments and dst != b""
    if verifiable and not summed:
        summed = at
        extra += int.from_bytes(packet.src, "big") + int.from_bytes(dst or packet.dst, "big")
    held = min(held, end)

    if protocol == TCP:  # RFC 9293 section 3.1
        if held < at + 20:
            return _short("TCP header", 20, held - at, end - at)
        packet.sport, packet.dport, packet.seq, packet.ack, offset, packet.flags, packet.window = _TCP(data, at)
        header = offset >> 4 << 2
        if header < 20:
            return f"the TCP header says that it is {header} bytes long; 20 is the least"
        if at + header > end:
            return _short("TCP header", header, held - at, end - at)
        if header > 20:  # a short snap length cuts options of each SYN; all the rest of the header is there
            packet.options = data[at + 20 : min(at + header, held)]
        packet.payload_start, packet.payload_length = at + header, end - at - header
    elif protocol == UDP:  # RFC 768
        if held < at + 8:
            return _short("UDP header", 8, held - at, end - at)
        packet.sport, packet.dport, size, checksum = _UDP(data, at)
        if not 8 <= size <= end - at and not packet.more_fragments and (size or packet.version == 4):
            return f"the UDP length is {size}, and the IP packet carries {end - at}"
        if size and not packet.more_fragments:
            extra += size - (end - at)
            end = at + size
        packet.payload_start, packet.payload_length = at + 8, end - at - 8
        if not checksum and packet.version == 4:
            return None
    elif protocol in (ICMP, ICMPV6):  # RFC 792, RFC 4443 section 2.1
        if held < at + 8:
            return _short("ICMP message", 8, held - at, end - at)
        packet.icmp_type, packet.icmp_code = data[at], data[at + 1]
        packet.payload_start, packet.payload_length = at + 8, end - at - 8
        if protocol == ICMP:
            summed, extra = at, 0
    else:
        return None

    if verifiable:
        packet.checksum_ok = sums_up(data, summed, end, extra)
    return None


def sums_up(data: bytes, start: int, end: int, extra: int) -> bool:
    """Whether the 16-bit words from `start` to `end`, and `extra`, have the Internet checksum 0 (RFC 1071).

    65536 is 1 modulo 65535, so one remainder is the folded sum of all words.
    """
    value = _number(data[start:end], "big")
    size = end - start
    if size > 400:  # division is slow for long numbers: first upper parts are added to lower ones
        if size > 800:
            value = (value >> 6000) + (value & _LOWER_6000)
        value = (value >> 3008) + (value & _LOWER_3008)
        value = (value >> 1504) + (value & _LOWER_1504)
    rest = value % 0xFFFF
    if size & 1:
        rest <<= 8
    return (rest + extra) % 0xFFFF == 0 and (value != 0 or extra != 0)


def _short(what: str, needed: int, held: int, sent: int) -> str:
    """Why a header could not be read: `held` of its `needed` bytes were captured, `sent` bytes were on the wire."""
    if sent < needed:
        return f"the frame ends inside the {what}: {max(sent, 0)} of {needed} bytes"
    return f"the capture cut off the {what}: {max(held, 0)} of {needed} bytes"

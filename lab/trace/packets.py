"""Frames become packets: one flat record each, or a reasoned refusal."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from struct import Struct

from lab.trace import layers, options
from lab.trace.numbers import (
    ACK,
    ARP,
    CWR,
    ECE,
    FIN,
    ICMP,
    ICMPV6,
    IPV4,
    IPV6,
    LINK_ETHERNET,
    LINK_RAW,
    PSH,
    RST,
    SYN,
    TCP,
    UDP,
    URG,
)

__all__ = [
    "ACK",
    "ARP",
    "CWR",
    "ECE",
    "FIN",
    "ICMP",
    "ICMPV6",
    "IPV4",
    "IPV6",
    "PSH",
    "RST",
    "SYN",
    "TCP",
    "UDP",
    "URG",
    "Packet",
    "address",
    "decode",
    "flags_text",
    "mac_text",
    "options_cut",
    "quoted",
    "tcp_options",
]


@dataclass(slots=True)
class Packet:
    """One captured frame, decoded as far as it makes sense; what a layer lacks keeps its default.

    `number` counts from 1 within the capture, `time` is in nanoseconds since 1970, `length` is the length on
    the wire and `data` the captured bytes. `refusal` says why decoding stopped early: the layers before it hold.
    MAC and IP addresses are raw bytes (6, and 4 or 16). `*_ok` is None where a checksum could not be verified
    (absent, cut, a fragment) and else whether it is right.
    """

    number: int
    time: int
    length: int
    data: bytes
    refusal: str | None = None
    # Ethernet
    dst_mac: bytes = b""
    src_mac: bytes = b""
    ethertype: int = 0  # of the innermost header: after VLAN tags
    vlans: tuple[int, ...] = ()
    # ARP (RFC 826), IPv4 over Ethernet only
    arp_operation: int = 0  # 1 request, 2 reply; 0: not an ARP packet
    arp_sender_mac: bytes = b""
    arp_sender: bytes = b""
    arp_target_mac: bytes = b""
    arp_target: bytes = b""
    # IPv4 (RFC 791) and IPv6 (RFC 8200)
    ip_start: int = 0  # where the IP header lies in `data`
    version: int = 0  # 4 or 6; 0: not an IP packet
    src: bytes = b""
    dst: bytes = b""
    ttl: int = 0  # IPv6: hop limit
    protocol: int = -1  # of the payload after options and extension headers; IPv6 hop-by-hop is 0, so none is -1
    identification: int = 0  # IPv4 header, or IPv6 fragment header
    dont_fragment: bool = False
    more_fragments: bool = False
    fragment_offset: int = 0  # in bytes
    ip_checksum_ok: bool | None = None
    # TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443)
    transport_start: int = 0  # where the IP payload, so the transport's header, lies in `data`
    sport: int = 0
    dport: int = 0
    seq: int = 0
    ack: int = 0
    flags: int = 0
    window: int = 0  # as written in the header, unscaled
    options: bytes = b""  # TCP options, raw
    icmp_type: int = -1
    icmp_code: int = -1
    checksum_ok: bool | None = None  # of the transport layer
    payload_start: int = 0  # where the transport's payload lies in `data`; of ICMP after its 8 bytes of header
    payload_length: int = 0  # as the headers say, so without Ethernet padding; more than `payload` holds if cut

    fragments: tuple[int, ...] = ()  # numbers of the fragments that this packet was put together from

    @property
    def payload(self) -> bytes:
        """The transport's payload as captured."""
        return self.data[self.payload_start : self.payload_start + self.payload_length]

    @property
    def malformed(self) -> bool:
        """Whether a receiver would discard it for what its headers say; what only we cannot decode is none of it."""
        refusal = self.refusal or ""
        return bool(refusal) and not refusal.endswith("not decoded") and not refusal.startswith("the capture cut off")


def decode(number: int, time: int, length: int, data: bytes, link_type: int = 1) -> Packet:
    """Decode one frame; never raises: what is malformed gives a `refusal`, and the layers before it hold.

    `time` in nanoseconds since 1970, `length` in bytes on the wire, `link_type` as in pcap (1 is Ethernet).
    """
    if link_type == LINK_ETHERNET and len(data) >= 54:
        usual = _usual(number, time, length, data)
        if usual is not None:
            return usual
    packet = Packet(number, time, length, data)
    packet.refusal = layers.link(packet, data, link_type)
    return packet


_USUAL = Struct("!6s6sHBxHHHBBH4s4sHHIIBBH").unpack_from


def _usual(number: int, time: int, length: int, data: bytes) -> Packet | None:
    """A whole TCP segment over plain IPv4 over Ethernet, decoded in one step because most frames are that.

    None for all others, and for whatever is odd about this one: they are decoded layer by layer, to the same result.
    """
    (
        dst_mac,
        src_mac,
        ethertype,
        first,
        total,
        identification,
        fragment,
        ttl,
        protocol,
        _,
        src,
        dst,
        sport,
        dport,
        seq,
        ack,
        offset,
        flags,
        window,
    ) = _USUAL(data)
    end, start = 14 + total, 34 + (offset >> 4 << 2)
    if (
        ethertype != IPV4
        or first != 0x45
        or protocol != TCP
        or fragment & 0x3FFF
        or end > len(data)
        or not 54 <= start <= end
    ):
        return None
    right = layers.sums_up(data, 26, end, TCP + total - 20)
    header_right = int.from_bytes(data[14:34], "big") % 0xFFFF == 0
    return Packet(
        number,
        time,
        length,
        data,
        None,
        dst_mac,
        src_mac,
        ethertype,
        (),
        0,
        b"",
        b"",
        b"",
        b"",
        14,
        4,
        src,
        dst,
        ttl,
        protocol,
        identification,
        fragment & 0x4000 != 0,
        False,
        0,
        header_right,
        34,
        sport,
        dport,
        seq,
        ack,
        flags,
        window,
        data[54:start],
        -1,
        -1,
        right,
        start,
        end - start,
    )


def quoted(packet: Packet) -> Packet | None:
    """The packet that an ICMP error is about, decoded as far as it is quoted (RFC 792, RFC 4443); None for others.

    A quote may end after 8 bytes of the transport: its ports are then in `data` from `transport_start` on.
    """
    errors = {ICMP: (3, 4, 5, 11, 12), ICMPV6: (1, 2, 3, 4)}.get(packet.protocol, ())
    if packet.refusal is not None or packet.icmp_type not in errors:
        return None
    return decode(packet.number, packet.time, 0x1_0000 + 40, packet.payload, LINK_RAW)


def tcp_options(packet: Packet) -> list[options.Option]:
    """TCP options in their order, each (kind, name, value); see `options.parse`. One that was cut is "not captured"."""
    found = options.parse(packet.options)
    if options_cut(packet) and found and found[-1][1] == "malformed":
        found[-1] = found[-1][0], "not captured", found[-1][2]
    return found


def options_cut(packet: Packet) -> bool:
    """Whether the capture ends inside the TCP options, so that some of them may be unknown."""
    return packet.protocol == TCP and packet.payload_start > len(packet.data)


def mac_text(mac: bytes) -> str:
    """A MAC address as 02:00:00:00:01:00."""
    return mac.hex(":")


def address(raw: bytes) -> IPv4Address | IPv6Address:
    """An IP address from its 4 or 16 bytes; raises ValueError for any other length."""
    return ip_address(raw)


_FLAGS = {FIN: "FIN", SYN: "SYN", RST: "RST", PSH: "PSH", ACK: "ACK", URG: "URG", ECE: "ECE", CWR: "CWR"}


def flags_text(flags: int) -> str:
    """TCP flags in words, as Wireshark orders them: `SYN, ACK`."""
    return ", ".join(name for bit, name in _FLAGS.items() if flags & bit)

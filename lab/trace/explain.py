"""One frame layer by layer, field by field, in words for a student; fields have the names of Wireshark's filters."""

from __future__ import annotations

from datetime import UTC, datetime

from lab.plan import Plan
from lab.trace import numbers as n
from lab.trace.application import application
from lab.trace.explained import Field, Layer
from lab.trace.packets import Packet, address, flags_text, mac_text, tcp_options
from lab.trace.words import arp_text, icmp_text, protocol_name


def explain(packet: Packet, plan: Plan | None = None) -> list[Layer]:
    """The layers of a packet from the outside in; with a plan, addresses have the names of their nodes."""
    layers = [_frame(packet)]
    if packet.dst_mac:
        layers.append(_ethernet(packet, plan))
    if packet.arp_operation:
        layers.append(_arp(packet, plan))
    if packet.version:
        layers.append(_ip(packet, plan))
    if packet.refusal is None and packet.version and not packet.fragment_offset:
        if packet.protocol == n.TCP:
            layers.append(_tcp(packet))
        elif packet.protocol == n.UDP:
            layers.append(_udp(packet))
        elif packet.protocol in (n.ICMP, n.ICMPV6):
            layers.append(_icmp(packet))
    if packet.refusal is not None:
        meaning = "a receiver would drop this" if packet.malformed else "no fault of the frame: a receiver may use it"
        layers.append(Layer("Not decoded further", (Field("refusal", packet.refusal, meaning),)))
    elif packet.payload_length and not packet.arp_operation:
        layers += application(packet) if packet.version and not packet.fragment_offset else []
        layers.append(_payload(packet))
    return layers


def _frame(packet: Packet) -> Layer:
    seconds, nanoseconds = divmod(packet.time, 1_000_000_000)
    moment = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{nanoseconds:09d} UTC"
    cut = f"; the capture kept {len(packet.data)} of them" if len(packet.data) < packet.length else ""
    return Layer(
        "Frame",
        (
            Field("frame.number", str(packet.number), "its place in this capture, counted from 1"),
            Field("frame.time", moment, "when it was captured; clocks of different machines disagree"),
            Field("frame.len", str(packet.length), f"bytes on the wire{cut}"),
        ),
    )


def _ethernet(packet: Packet, plan: Plan | None) -> Layer:
    kinds = {n.IPV4: "an IPv4 packet follows", n.IPV6: "an IPv6 packet follows", n.ARP: "ARP follows"}
    to, sender = packet.dst_mac, packet.src_mac
    fields = [
        Field("eth.dst", mac_text(to), f"the next machine on this link: {_mac_owner(to, plan)}"),
        Field("eth.src", mac_text(sender), f"who put it on this link: {_mac_owner(sender, plan)}"),
    ]
    fields += [Field("vlan.id", str(vlan), "the virtual LAN it belongs to") for vlan in packet.vlans]
    kind = kinds.get(packet.ethertype, "another protocol follows")
    if packet.ethertype < 0x0600:
        kind = "a length, so an IEEE 802.3 frame"
    fields.append(Field("eth.type", f"0x{packet.ethertype:04x}", kind))
    return Layer("Ethernet II", tuple(fields), "C4", "IEEE 802.3 §3")


def _mac_owner(mac: bytes, plan: Plan | None) -> str:
    if mac == b"\xff" * 6:
        return "everyone (broadcast)"
    if mac[0] & 1:
        return "a group (multicast)"
    owner = plan.macs.get(mac_text(mac)) if plan else None
    if owner is None:
        return "an unknown machine" if plan else "a single machine"
    return owner.point


def _owner(raw: bytes, plan: Plan | None) -> str:
    owner = plan.owners.get(address(raw)) if plan else None
    return f" ({owner.node})" if owner else ""


def _arp(packet: Packet, plan: Plan | None) -> Layer:
    operations = {1: "a question to everyone on the link", 2: "the answer, to the asker alone"}
    target = mac_text(packet.arp_target_mac)
    return Layer(
        f"Address Resolution Protocol: {arp_text(packet).removeprefix('ARP ')}",
        (
            Field("arp.opcode", str(packet.arp_operation), operations.get(packet.arp_operation, "unusual")),
            Field("arp.src.hw_mac", mac_text(packet.arp_sender_mac), _mac_owner(packet.arp_sender_mac, plan)),
            Field("arp.src.proto_ipv4", *_ip_of(packet.arp_sender, plan, "the sender's own address")),
            Field(
                "arp.dst.hw_mac",
                target,
                "empty: this is what is asked for"
                if not any(packet.arp_target_mac)
                else _mac_owner(packet.arp_target_mac, plan),
            ),
            Field("arp.dst.proto_ipv4", *_ip_of(packet.arp_target, plan, "whom it is about")),
        ),
        "C5",
        "RFC 826",
    )


def _ip_of(raw: bytes, plan: Plan | None, meaning: str) -> tuple[str, str]:
    return str(address(raw)), f"{meaning}{_owner(raw, plan)}"


def _ip(packet: Packet, plan: Plan | None) -> Layer:
    four = packet.version == 4
    prefix = "ip" if four else "ipv6"
    source = Field(f"{prefix}.src", *_ip_of(packet.src, plan, "the first sender; no router changes it"))
    target = Field(f"{prefix}.dst", *_ip_of(packet.dst, plan, "the last receiver; routers choose the way by it"))
    hops = f"a router takes one off, and drops the packet at 0: {packet.ttl} left"
    protocol = f"{protocol_name(packet.protocol)} follows"
    fields = [
        source,
        target,
        Field("ip.ttl" if four else "ipv6.hlim", str(packet.ttl), hops),
        Field("ip.proto" if four else "ipv6.nxt", str(packet.protocol), protocol),
    ]
    if four:
        fields.append(Field("ip.id", f"0x{packet.identification:04x}", "tells the fragments of one packet from others"))
        fields.append(
            Field(
                "ip.flags.df",
                str(int(packet.dont_fragment)),
                "routers may not cut it in pieces" if packet.dont_fragment else "routers may cut it in pieces",
            )
        )
        fields.append(Field("ip.checksum.status", _verdict(packet.ip_checksum_ok), "of the header alone"))
    if packet.more_fragments or packet.fragment_offset:
        meaning = f"a fragment from this byte on; {'more follow' if packet.more_fragments else 'the last one'}"
        fields.append(Field(f"{prefix}.frag_offset", str(packet.fragment_offset), meaning))
    standard = "RFC 791 §3.1" if four else "RFC 8200 §3"
    return Layer(f"Internet Protocol Version {packet.version}", tuple(fields), "C3", standard)


def _verdict(right: bool | None) -> str:
    return {True: "right", False: "wrong", None: "not verified"}[right]


def _tcp(packet: Packet) -> Layer:
    flags, size = packet.flags, packet.payload_length
    counted = size + (1 if flags & n.SYN else 0) + (1 if flags & n.FIN else 0)
    following = (packet.seq + counted) & 0xFFFF_FFFF
    seq = "the sender's initial sequence number" if flags & n.SYN else "number of the first payload byte"
    fields = [
        Field("tcp.srcport", str(packet.sport), "the sender's port"),
        Field("tcp.dstport", str(packet.dport), "the port of the program that gets it"),
        Field("tcp.seq_raw", str(packet.seq), f"{seq}; the sender's next is {following}"),
    ]
    if flags & n.ACK:
        meaning = "the next byte that the sender waits for: all before has come"
        fields.append(Field("tcp.ack_raw", str(packet.ack), meaning))
    fields += [
        Field("tcp.flags", flags_text(flags) or "none", _flags_meaning(flags, size)),
        Field("tcp.window_size_value", str(packet.window), _window_meaning(packet)),
        Field("tcp.checksum.status", _verdict(packet.checksum_ok), "of header, payload and both addresses"),
        Field("tcp.len", str(size), "bytes of payload"),
    ]
    for _, name, value in tcp_options(packet):
        if value is not None or name == "SACK permitted":
            shown = "" if value is None else value.hex() if isinstance(value, bytes) else str(value)
            fields.append(Field(f"tcp.options: {name}", shown, _OPTIONS.get(name, "")))
    claim = "C12" if flags & n.FIN else "C11"
    if flags & n.SYN:
        claim = "C9" if flags & n.ACK else "C8"
    if flags & n.RST:
        claim = "C12" if packet.seq else "C9"  # a refusal of a SYN has the number 0 (RFC 9293 §3.10.7.1)
    return Layer("Transmission Control Protocol", tuple(fields), claim, "RFC 9293 §3.1")


_OPTIONS = {
    "MSS": "the largest payload that the sender takes in one segment, in bytes",
    "window scale": "later windows are to be shifted left by so many bits",
    "SACK permitted": "the sender understands selective acknowledgements",
    "SACK": "ranges that came although something before them is missing",
    "timestamps": "the sender's clock, and the other's clock sent back",
}


def _flags_meaning(flags: int, size: int) -> str:
    if flags & n.RST:
        return "the connection is refused or broken off"
    if flags & n.SYN:
        return "yes, and may I send too?" if flags & n.ACK else "may I open a connection?"
    if flags & n.FIN:
        return "I have sent everything and close my direction"
    return "here is data" if size else "I have received everything up to there"


def _window_meaning(packet: Packet) -> str:
    if packet.window == 0 and not packet.flags & n.RST:
        return "stop: the sender's buffer is full"
    scaled = "" if packet.flags & n.SYN else ", before scaling"
    return f"bytes that the sender can take in now{scaled}"


def _udp(packet: Packet) -> Layer:
    return Layer(
        "User Datagram Protocol",
        (
            Field("udp.srcport", str(packet.sport), "the sender's port"),
            Field("udp.dstport", str(packet.dport), "the port of the program that gets it"),
            Field("udp.length", str(packet.payload_length + 8), "bytes of header and payload"),
            Field("udp.checksum.status", _verdict(packet.checksum_ok), "finds errors; nothing repairs a loss"),
        ),
        "C17",
        "RFC 768",
    )


def _icmp(packet: Packet) -> Layer:
    prefix, standard = ("icmp", "RFC 792") if packet.protocol == n.ICMP else ("icmpv6", "RFC 4443 §2.1")
    neighbours = packet.protocol == n.ICMPV6 and packet.icmp_type in (135, 136)
    if neighbours:
        standard = "RFC 4861 §4.3" if packet.icmp_type == 135 else "RFC 4861 §4.4"
    return Layer(
        f"Internet Control Message Protocol: {icmp_text(packet)}",
        (
            Field(f"{prefix}.type", str(packet.icmp_type), "what kind of message"),
            Field(f"{prefix}.code", str(packet.icmp_code), "which case of that kind"),
            Field(f"{prefix}.checksum.status", _verdict(packet.checksum_ok), "of the whole message"),
        ),
        "C5" if neighbours else "",
        standard,
    )


def _payload(packet: Packet) -> Layer:
    data = packet.payload
    shown = repr(data[:60])[1:] + (" …" if len(data) > 60 else "")
    return Layer("Payload", (Field("data", shown, f"{packet.payload_length} bytes for the program"),))

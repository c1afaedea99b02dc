"""Neighbour solicitations and advertisements out of ICMPv6 packets (RFC 4861 §4.3, §4.4, §7.1). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lab.trace.packets import ICMPV6, Packet

SOLICITATION, ADVERTISEMENT = 135, 136
SOURCE_LINK_LAYER, TARGET_LINK_LAYER = 1, 2
_HOPS = 255  # whoever gets it with less has it from behind a router
_SOLICITED_NODE = bytes.fromhex("ff0200000000000000000001ff")


@dataclass(frozen=True)
class Neighbour:
    """Such a message: whose MAC is asked for or told (`target`, 16 bytes), and the MAC in its option, b"" for none.

    `solicited` says that an advertisement answers. `refusal` says why a receiver has to discard the message; the
    fields then hold what could be read.
    """

    kind: int
    target: bytes = b""
    mac: bytes = b""
    solicited: bool = False
    refusal: str = ""


def neighbour(packet: Packet) -> Neighbour | None:
    """The message in a packet; None for every other packet, and for one that could not be decoded so far."""
    if packet.protocol != ICMPV6 or packet.icmp_type not in (SOLICITATION, ADVERTISEMENT) or packet.fragment_offset:
        return None
    kind, body = packet.icmp_type, packet.payload
    solicited = kind == ADVERTISEMENT and bool(packet.data[packet.transport_start + 4] & 0x40)
    target = body[:16]
    if len(target) < 16:
        return Neighbour(kind, refusal=f"it ends inside the target: {len(target)} of 16 bytes")
    macs, refusal = _options(body[16:])
    mac = macs.get(SOURCE_LINK_LAYER if kind == SOLICITATION else TARGET_LINK_LAYER, b"")
    if packet.refusal:
        refusal = packet.refusal
    elif packet.ttl != _HOPS:
        refusal = f"its hop limit is {packet.ttl}, so it may have come through a router; {_HOPS} is right"
    elif packet.icmp_code:
        refusal = f"its code is {packet.icmp_code}, not 0"
    elif target[0] == 0xFF:
        refusal = "its target is a group, not an address of one node"
    elif packet.checksum_ok is False:
        refusal = "its checksum is wrong"
    elif solicited and packet.dst[:1] == b"\xff":
        refusal = "it was sent to a group and says that it answers one node"
    elif kind == SOLICITATION and not any(packet.src) and mac:
        refusal = "it comes from no address and tells a MAC"
    return Neighbour(kind, target, mac, solicited, refusal)


def solicited_node(address: bytes) -> bytes:
    """The group that a node joins for an address: ff02::1:ff and the address's last three bytes (RFC 4291 §2.7.1)."""
    return _SOLICITED_NODE + address[-3:]


def group_mac(group: bytes) -> bytes:
    """The MAC of a group: 33:33 and its last four bytes (RFC 2464 §7)."""
    return b"\x33\x33" + group[-4:]


def _options(data: bytes) -> tuple[dict[int, bytes], str]:
    """The MACs in the options, the first of each kind, and what is wrong with them."""
    macs: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        size = data[at + 1] * 8 if at + 1 < len(data) else 0
        if not size or at + size > len(data):
            return macs, "an option has no length, or one beyond the end of the message"
        if data[at] in (SOURCE_LINK_LAYER, TARGET_LINK_LAYER):
            macs.setdefault(data[at], data[at + 2 : at + 8])
        at += size
    return macs, ""

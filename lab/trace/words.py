"""Packets in words: one line that says what a packet is and asks."""

from __future__ import annotations

from lab.trace import numbers
from lab.trace.packets import Packet, address, flags_text, mac_text

PROTOCOLS = {
    1: "ICMP",
    2: "IGMP",
    6: "TCP",
    17: "UDP",
    41: "IPv6",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    59: "no next header",
    89: "OSPF",
    132: "SCTP",
}

ICMP_TYPES = {
    0: "echo reply",
    3: "destination unreachable",
    4: "source quench",
    5: "redirect",
    8: "echo request",
    9: "router advertisement",
    10: "router solicitation",
    11: "time exceeded",
    12: "parameter problem",
    13: "timestamp request",
    14: "timestamp reply",
}

ICMP_CODES = {
    (3, 0): "network unreachable",
    (3, 1): "host unreachable",
    (3, 2): "protocol unreachable",
    (3, 3): "port unreachable",
    (3, 4): "fragmentation needed",
    (3, 9): "network prohibited",
    (3, 10): "host prohibited",
    (3, 13): "prohibited by a filter",
    (5, 0): "redirect for the network",
    (5, 1): "redirect for the host",
    (11, 0): "TTL ran out",
    (11, 1): "fragments did not all come",
}

ICMPV6_TYPES = {
    1: "destination unreachable",
    2: "packet too big",
    3: "time exceeded",
    4: "parameter problem",
    128: "echo request",
    129: "echo reply",
    130: "listener query",
    131: "listener report",
    132: "listener done",
    133: "router solicitation",
    134: "router advertisement",
    135: "neighbour solicitation",
    136: "neighbour advertisement",
    137: "redirect",
    143: "listener report",
}

ICMPV6_CODES = {
    (1, 0): "no route",
    (1, 1): "prohibited by a filter",
    (1, 3): "address unreachable",
    (1, 4): "port unreachable",
    (3, 0): "hop limit ran out",
    (3, 1): "fragments did not all come",
}


def arp_text(packet: Packet) -> str:
    """An ARP packet as the question or answer that it is."""
    sender, target = address(packet.arp_sender), address(packet.arp_target)
    if sender == target:
        return f"ARP {sender} is mine, at {mac_text(packet.arp_sender_mac)}"
    if packet.arp_operation == 1:
        return f"ARP who has {target}? tell {sender}"
    if packet.arp_operation == 2:
        return f"ARP {sender} is at {mac_text(packet.arp_sender_mac)}"
    return f"ARP operation {packet.arp_operation}"


def icmp_text(packet: Packet) -> str:
    """Type and code of an ICMP or ICMPv6 message in words, with what tells it from its like."""
    six = packet.protocol == numbers.ICMPV6
    types, codes = (ICMPV6_TYPES, ICMPV6_CODES) if six else (ICMP_TYPES, ICMP_CODES)
    kind = packet.icmp_type, packet.icmp_code
    name = codes.get(kind) or types.get(packet.icmp_type) or f"type {kind[0]} code {kind[1]}"
    start = packet.payload_start
    if packet.icmp_type in ((128, 129) if six else (0, 8)):
        number = int.from_bytes(packet.data[start - 2 : start], "big")
        return f"{name} seq={number}"
    if six and packet.icmp_type in (135, 136) and len(packet.payload) >= 16:
        return f"{name} {address(packet.payload[:16])}"
    return name


def summary(packet: Packet) -> str:
    """What a packet is, in one line; TCP numbers as they are in the header."""
    if packet.refusal is not None:
        return f"malformed: {packet.refusal}" if packet.malformed else packet.refusal
    if packet.arp_operation:
        return arp_text(packet)
    if not packet.version:
        return f"ethertype 0x{packet.ethertype:04x}, {packet.payload_length} bytes"
    if packet.fragment_offset:
        return f"{protocol_name(packet.protocol)} fragment from byte {packet.fragment_offset}"
    match packet.protocol:
        case numbers.TCP:
            numbers_text = f"seq={packet.seq} ack={packet.ack} len={packet.payload_length}"
            return f"TCP {packet.sport} → {packet.dport} {flags_text(packet.flags) or 'no flag'} {numbers_text}"
        case numbers.UDP:
            return f"UDP {packet.sport} → {packet.dport} len={packet.payload_length}"
        case numbers.ICMP | numbers.ICMPV6:
            return f"{protocol_name(packet.protocol)} {icmp_text(packet)}"
    return f"{protocol_name(packet.protocol)}, {packet.payload_length} bytes"


def protocol_name(number: int) -> str:
    """The name of a protocol over IP, as students know it."""
    return PROTOCOLS.get(number, f"protocol {number}")

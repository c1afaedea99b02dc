import struct

import pytest
from trace_forge import (
    CLIENT,
    CLIENT_MAC,
    MSS_AND_SCALE,
    ROUTER_MAC,
    SERVER,
    arp,
    ethernet,
    icmp,
    ip,
    ipv4,
    ipv6,
    mac,
    one,
    pseudo,
    tcp,
    udp,
)

from lab.trace.packets import ACK, ICMPV6, SYN, TCP, UDP, address, decode, flags_text, mac_text, tcp_options

V6 = {"src": "fd00:1::10", "dst": "fd00:2::80"}


def test_every_field_of_a_tcp_segment():
    options = bytes([1, 1, 8, 10]) + struct.pack("!II", 5, 6)
    packet = one(ethernet(ipv4(tcp(40000, 7000, 1000, 5001, 0x18, b"hello\n", options=options), ident=77)))
    assert packet.refusal is None
    assert (mac_text(packet.src_mac), mac_text(packet.dst_mac)) == (CLIENT_MAC, ROUTER_MAC)
    assert (packet.version, packet.src, packet.dst, packet.ttl, packet.protocol) == (4, ip(CLIENT), ip(SERVER), 64, TCP)
    assert (packet.identification, packet.dont_fragment) == (77, True)
    assert (packet.more_fragments, packet.fragment_offset) == (False, 0)
    assert (packet.sport, packet.dport, packet.seq, packet.ack) == (40000, 7000, 1000, 5001)
    assert (packet.flags, packet.window, packet.options) == (0x18, 64240, options)
    assert packet.payload == b"hello\n"
    assert packet.ip_checksum_ok is True
    assert packet.checksum_ok is True


def test_ethernet_padding_is_not_payload():
    packet = one(ethernet(ipv4(tcp(1, 2, 0, 0, ACK))) + bytes(6))
    assert (packet.payload, packet.payload_length, packet.checksum_ok) == (b"", 0, True)


@pytest.mark.parametrize("size", range(5))
def test_checksums_of_odd_and_even_payloads(size):
    assert one(ethernet(ipv4(tcp(1, 2, 0, 0, ACK, b"abcde"[:size])))).checksum_ok is True
    assert one(ethernet(ipv4(udp(1, 2, b"abcde"[:size]), 17))).checksum_ok is True
    assert one(ethernet(ipv4(icmp(8, 0, payload=b"abcde"[:size]), 1))).checksum_ok is True
    assert one(ethernet(ipv6(tcp(1, 2, 0, 0, ACK, b"abcde"[:size], **V6)), 0x86DD)).checksum_ok is True
    assert one(ethernet(ipv6(udp(1, 2, b"abcde"[:size], **V6), 17), 0x86DD)).checksum_ok is True


@pytest.mark.parametrize("position", [*range(34, 46), *range(47, 60)])  # 46 is the header's length: another story
def test_one_wrong_bit_anywhere_in_a_segment_is_found(position):
    frame = bytearray(ethernet(ipv4(tcp(40000, 7000, 1, 1, ACK, b"hello\n"))))
    frame[position] ^= 0x04
    assert one(bytes(frame)).checksum_ok is False


@pytest.mark.parametrize("position", [*range(15, 16), *range(18, 34)])
def test_one_wrong_bit_in_the_ip_header_is_found(position):
    frame = bytearray(ethernet(ipv4(tcp(40000, 7000, 1, 1, ACK))))
    frame[position] ^= 0x40
    assert one(bytes(frame)).ip_checksum_ok is False


def test_a_udp_checksum_of_zero_is_absent_over_ipv4_and_wrong_over_ipv6():
    datagram = bytearray(udp(1, 2, b"abc"))
    datagram[6:8] = b"\0\0"
    assert one(ethernet(ipv4(bytes(datagram), 17))).checksum_ok is None
    assert one(ethernet(ipv6(bytes(datagram), 17), 0x86DD)).checksum_ok is False


def test_a_udp_checksum_that_computes_to_zero_is_sent_as_ones():
    plain = int.from_bytes(udp(1, 2, b"\0\0")[6:8], "big")  # what the payload has to add for a sum of ones
    datagram = udp(1, 2, plain.to_bytes(2, "big"))
    assert datagram[6:8] == b"\xff\xff"
    assert one(ethernet(ipv4(datagram, 17))).checksum_ok is True


def test_an_icmp_message_of_zeros_has_no_right_checksum():
    assert one(ethernet(ipv4(bytes(8), 1))).checksum_ok is False


@pytest.mark.parametrize(
    ("tags", "vlans"),
    [
        (b"", ()),
        (bytes.fromhex("8100 2005"), (5,)),
        (bytes.fromhex("88a8 0064 8100 0005"), (100, 5)),
        (bytes.fromhex("9100 0001 8100 0002"), (1, 2)),
    ],
)
def test_vlan_tags(tags, vlans):
    packet = one(ethernet(ipv4(udp(5, 6, b"x"), 17), tags=tags))
    assert (packet.vlans, packet.ethertype, packet.dport, packet.checksum_ok) == (vlans, 0x0800, 6, True)


def test_arp():
    request = one(ethernet(arp(1, CLIENT, "10.0.1.1"), 0x0806, dst="ff:ff:ff:ff:ff:ff") + bytes(18))
    assert (request.arp_operation, request.arp_sender, request.arp_target) == (1, ip(CLIENT), ip("10.0.1.1"))
    assert (request.arp_sender_mac, request.arp_target_mac) == (mac(CLIENT_MAC), bytes(6))
    assert (request.version, request.protocol, request.refusal) == (0, -1, None)


def test_ipv4_options():
    packet = one(ethernet(ipv4(tcp(1, 2, 3, 4, SYN, b"x"), options=bytes([148, 4, 0, 0]))))
    assert (packet.dport, packet.payload, packet.ip_checksum_ok, packet.checksum_ok) == (2, b"x", True, True)


def test_fragments():
    whole = udp(1, 2, b"x" * 100)
    first = one(ethernet(ipv4(whole[:64], 17, fragment=0x2000)))
    rest = one(ethernet(ipv4(whole[64:], 17, fragment=8)))
    assert (first.more_fragments, first.fragment_offset, first.dport, first.checksum_ok) == (True, 0, 2, None)
    assert (rest.more_fragments, rest.fragment_offset, rest.dport, rest.checksum_ok) == (False, 64, 0, None)
    assert (rest.payload, rest.protocol, rest.refusal) == (whole[64:], UDP, None)


def extension(following: int, size: int = 8, start: bytes = b"") -> bytes:
    return (bytes([following, size // 8 - 1]) + start).ljust(size, b"\0")


HOP = extension
CHAINS = {
    "hop-by-hop": (0, HOP(6)),
    "destination": (60, HOP(6, 16)),
    "hop-by-hop, destination, routing of no segments": (0, HOP(60) + HOP(43) + HOP(6, 24)),
    "authentication": (51, bytes([6, 4]) + bytes(22)),
    "atomic fragment": (44, bytes([6, 0, 0, 0]) + b"\0\0\0\x09"),
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_ipv6_extension_headers_lead_to_the_transport(chain):
    first, headers = chain
    packet = one(ethernet(ipv6(headers + tcp(1, 7000, 3, 4, ACK, b"x", **V6), first), 0x86DD))
    assert (packet.refusal, packet.protocol, packet.dport) == (None, TCP, 7000)
    assert (packet.payload, packet.checksum_ok) == (b"x", True)


@pytest.mark.parametrize(("kind", "final"), [(0, "fd00:9::2"), (2, "fd00:9::2"), (4, "fd00:9::1")])
def test_the_checksum_counts_the_final_destination_of_a_routing_header(kind, final):
    routing = extension(6, 40, bytes([kind, 1, 1, 0, 0, 0]) + ip("fd00:9::1") + ip("fd00:9::2"))
    segment = tcp(1, 2, 3, 4, ACK, b"x", src=V6["src"], dst=final)
    assert one(ethernet(ipv6(routing + segment, 43), 0x86DD)).checksum_ok is True


def test_an_unknown_routing_header_leaves_the_checksum_unverified():
    routing = extension(6, 8, bytes([77, 1]))
    assert one(ethernet(ipv6(routing + tcp(1, 2, 3, 4, ACK, **V6), 43), 0x86DD)).checksum_ok is None


def test_ipv6_fragments():
    first = one(ethernet(ipv6(bytes([17, 0, 0, 1, 0, 0, 0, 9]) + udp(1, 2, b"x" * 24, **V6)[:24], 44), 0x86DD))
    rest = one(ethernet(ipv6(bytes([17, 0, 0, 24, 0, 0, 0, 9]) + b"x" * 8, 44), 0x86DD))
    assert (first.dport, first.more_fragments, first.identification, first.checksum_ok) == (2, True, 9, None)
    assert (rest.dport, rest.fragment_offset, rest.more_fragments, rest.payload) == (0, 24, False, b"x" * 8)


@pytest.mark.parametrize("last", [50, 59])
def test_encrypted_payloads_and_no_next_header_end_the_decoding(last):
    packet = one(ethernet(ipv6(HOP(last) + b"secret", 0), 0x86DD))
    assert (packet.protocol, packet.payload, packet.refusal, packet.sport) == (last, b"secret", None, 0)


def test_icmpv6_has_a_pseudo_header():
    before = pseudo("fd00:1::10", "fd00:2::80", 58, 11)
    packet = one(ethernet(ipv6(icmp(128, 0, b"\0\1\0\2", b"abc", before), 58), 0x86DD))
    assert (packet.protocol, packet.icmp_type, packet.icmp_code) == (ICMPV6, 128, 0)
    assert (packet.payload, packet.checksum_ok) == (b"abc", True)


@pytest.mark.parametrize("snap", [54, 60, 70])
def test_a_cut_frame_keeps_its_headers_and_has_no_checksum_verdict(snap):
    frame = ethernet(ipv4(tcp(1, 2, 3, 4, ACK, b"x" * 100)))
    packet = decode(1, 0, len(frame), frame[:snap])
    assert (packet.refusal, packet.payload_length, packet.payload) == (None, 100, b"x" * (snap - 54))
    assert (packet.ip_checksum_ok, packet.checksum_ok) == (True, None)


def test_frames_left_to_segmentation_offload_have_no_total_length():
    frame = bytearray(ethernet(ipv4(tcp(1, 2, 3, 4, ACK, b"x" * 100))))
    frame[16:18] = b"\0\0"
    assert one(bytes(frame)).payload == b"x" * 100


def patched(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


SEGMENT = ethernet(ipv4(tcp(1, 2, 3, 4, ACK, b"hello")))
DATAGRAM = ethernet(ipv4(udp(1, 2, b"hello"), 17))
SEGMENT6 = ethernet(ipv6(HOP(6) + tcp(1, 2, 3, 4, ACK, **V6), 0), 0x86DD)
REFUSED = [
    (b"", "the frame ends inside the Ethernet header: 0 of 14 bytes"),
    (SEGMENT[:10], "the frame ends inside the Ethernet header: 10 of 14 bytes"),
    (ethernet(b"\0", 0x8100), "the frame ends inside the VLAN tag: 1 of 4 bytes"),
    (ethernet(b"\0" * 27, 0x0806), "the frame ends inside the ARP packet: 27 of 28 bytes"),
    (ethernet(b"\0\6" + bytes(26), 0x0806), "ARP for hardware type 6 and protocol 0x0000 is not decoded"),
    (SEGMENT[:20], "the frame ends inside the IPv4 header: 6 of 20 bytes"),
    (patched(SEGMENT, 14, b"\x65"), "the IPv4 header says version 6"),
    (patched(SEGMENT, 14, b"\x44"), "the IPv4 header says that it is 16 bytes long; 20 is the least"),
    (patched(SEGMENT[:40], 14, b"\x4f"), "the frame ends inside the IPv4 header: 26 of 60 bytes"),
    (patched(SEGMENT, 16, b"\0\x13"), "the IPv4 total length of 19 is less than its header of 20"),
    (SEGMENT[:50], "the IPv4 total length of 45 is more than the 36 bytes that the frame carries"),
    (patched(SEGMENT, 16, b"\0\x20"), "the frame ends inside the TCP header: 12 of 20 bytes"),
    (patched(SEGMENT, 46, b"\x40"), "the TCP header says that it is 16 bytes long; 20 is the least"),
    (patched(SEGMENT, 46, b"\xf0"), "the frame ends inside the TCP header: 25 of 60 bytes"),
    (patched(DATAGRAM, 38, b"\0\x07"), "the UDP length is 7, and the IP packet carries 13"),
    (patched(DATAGRAM, 38, b"\0\x0e"), "the UDP length is 14, and the IP packet carries 13"),
    (ethernet(ipv4(b"\1" * 7, 17)), "the frame ends inside the UDP header: 7 of 8 bytes"),
    (ethernet(ipv4(b"\1" * 7, 1)), "the frame ends inside the ICMP message: 7 of 8 bytes"),
    (SEGMENT6[:50], "the frame ends inside the IPv6 header: 36 of 40 bytes"),
    (patched(SEGMENT6, 14, b"\x40"), "the IPv6 header says version 4"),
    (SEGMENT6[:60], "the IPv6 payload length of 28 is more than the 6 bytes that the frame carries"),
    (ethernet(ipv6(b"\6\0\0", 0), 0x86DD), "the frame ends inside the IPv6 hop-by-hop options header: 3 of 8 bytes"),
    (patched(SEGMENT6, 55, b"\x09"), "an IPv6 hop-by-hop options header of 80 bytes is longer than the packet"),
]


@pytest.mark.parametrize(("frame", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
def test_a_malformed_frame_is_refused_with_a_reason(frame, reason):
    assert one(frame).refusal == reason


def test_a_header_beyond_the_snap_length_is_the_captures_doing():
    assert decode(1, 0, len(SEGMENT), SEGMENT[:40]).refusal == "the capture cut off the TCP header: 6 of 20 bytes"


def test_the_layers_before_a_refusal_hold():
    packet = one(patched(SEGMENT, 46, b"\x40"))
    assert (packet.src, packet.dst, packet.ttl, packet.ip_checksum_ok) == (ip(CLIENT), ip(SERVER), 64, True)


def test_raw_ip_frames():
    assert one(ipv4(tcp(1, 2, 3, 4, ACK)), 101).dport == 2
    assert one(ipv6(tcp(1, 2, 3, 4, ACK, **V6)), 101).dport == 2
    assert one(b"", 101).refusal == "the frame is empty"
    assert one(SEGMENT, 105).refusal == "frames of link type 105 are not decoded"


def test_texts():
    assert mac_text(b"\2\0\0\0\1\x0a") == "02:00:00:00:01:0a"
    assert str(address(ip("10.0.2.80"))) == "10.0.2.80"
    assert str(address(ip("fd00:2::80"))) == "fd00:2::80"
    assert flags_text(SYN | ACK) == "SYN, ACK"
    assert flags_text(0xFF) == "FIN, SYN, RST, PSH, ACK, URG, ECE, CWR"
    assert flags_text(0) == ""


OPTIONS = [
    (MSS_AND_SCALE, [(2, "MSS", 1460), (1, "NOP", None), (3, "window scale", 7)]),
    (bytes([4, 2, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6]), [(4, "SACK permitted", None), (8, "timestamps", (5, 6))]),
    (bytes([1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9]), [(1, "NOP", None)] * 2 + [(5, "SACK", ((1, 9),))]),
    (bytes([0, 7, 7, 7]), [(0, "end of options", None)]),
    (bytes([34, 4, 1, 2]), [(34, "fast open", b"\1\2")]),
    (bytes([99, 3, 5, 0]), [(99, "option 99", b"\5"), (0, "end of options", None)]),
    (bytes([2, 0, 5, 0xB4]), [(2, "malformed", bytes([2, 0, 5, 0xB4]))]),
    (bytes([1, 1, 1, 2]), [(1, "NOP", None)] * 3 + [(2, "malformed", b"\2")]),
    (bytes([2, 9, 5, 0xB4]), [(2, "malformed", bytes([2, 9, 5, 0xB4]))]),
    (bytes([2, 3, 5, 0]), [(2, "malformed", b"\5"), (0, "end of options", None)]),
]


@pytest.mark.parametrize(("raw", "meaning"), OPTIONS)
def test_tcp_options(raw, meaning):
    assert tcp_options(one(ethernet(ipv4(tcp(1, 2, 0, 0, SYN, options=raw))))) == meaning

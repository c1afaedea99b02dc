"""Frames of links other than Ethernet, forged and as Wireshark reads them."""

import io
import struct
from pathlib import Path

import pytest
from oracle_tshark import fields, needs_tshark
from test_packets import V6
from trace_forge import ACK, arp, ip, ipv4, ipv6, mac, one, tcp, udp

from lab.trace import numbers
from lab.trace.fragments import reassembled
from lab.trace.packets import decode
from lab.trace.pcap import write

FOUR = ipv4(tcp(1, 2, 3, 4, ACK, b"four"))
SIX = ipv6(tcp(1, 2, 3, 4, ACK, b"six", **V6), 6)
SOURCE = "02:00:00:00:01:0a"


def sll(payload: bytes, kind: int = 0x0800, hardware: int = 1, size: int = 6) -> bytes:
    return struct.pack("!HHH8sH", 0, hardware, size, mac(SOURCE), kind) + payload


def sll2(payload: bytes, kind: int = 0x0800, hardware: int = 1, size: int = 6) -> bytes:
    return struct.pack("!HHIHBB8s", kind, 0, 3, hardware, 0, size, mac(SOURCE)) + payload


def tagged(payload: bytes) -> bytes:
    return bytes.fromhex("0064 8100 0005 0800") + payload


LINKS = {
    "SLL": (113, sll(FOUR), 4, (), SOURCE),
    "SLL, IPv6": (113, sll(SIX, 0x86DD), 6, (), SOURCE),
    "SLL, two tags": (113, sll(tagged(FOUR), 0x88A8), 4, (100, 5), SOURCE),
    "SLL, loopback": (113, sll(FOUR, hardware=772), 4, (), SOURCE),
    "SLL, no address": (113, sll(FOUR, hardware=65534, size=0), 4, (), ""),
    "SLL2": (276, sll2(FOUR), 4, (), SOURCE),
    "SLL2, IPv6": (276, sll2(SIX, 0x86DD), 6, (), SOURCE),
    "SLL2, two tags": (276, sll2(tagged(FOUR), 0x88A8), 4, (100, 5), SOURCE),
    "SLL2, no address": (276, sll2(FOUR, hardware=65534, size=0), 4, (), ""),
    "raw": (101, FOUR, 4, (), ""),
    "raw, IPv6": (101, SIX, 6, (), ""),
    "raw, IPv4 only": (228, FOUR, 4, (), ""),
    "raw, IPv6 only": (229, SIX, 6, (), ""),
    "raw, old": (12, FOUR, 4, (), ""),
    "raw, OpenBSD": (14, SIX, 6, (), ""),
    "NULL, little-endian": (0, struct.pack("<I", 2) + FOUR, 4, (), ""),
    "NULL, big-endian": (0, struct.pack(">I", 2) + FOUR, 4, (), ""),
    "NULL, FreeBSD": (0, struct.pack("<I", 28) + SIX, 6, (), ""),
    "NULL, macOS": (0, struct.pack("<I", 30) + SIX, 6, (), ""),
    "LOOP": (108, struct.pack(">I", 24) + SIX, 6, (), ""),
}


@pytest.mark.parametrize(("link", "frame", "version", "vlans", "source"), LINKS.values(), ids=LINKS)
def test_every_link_leads_to_the_segment(link, frame, version, vlans, source):
    packet = one(frame, link)
    assert packet.refusal is None
    assert (packet.version, packet.vlans, packet.src_mac) == (version, vlans, mac(source) if source else b"")
    assert (packet.dst_mac, packet.sport, packet.payload) == (b"", 1, b"four" if version == 4 else b"six")
    assert packet.checksum_ok is True


def test_arp_in_a_cooked_capture():
    packet = one(sll(arp(1, "10.0.1.10", "10.0.1.1"), 0x0806), 113)
    assert (packet.arp_operation, packet.arp_target) == (1, ip("10.0.1.1"))


@pytest.mark.parametrize(
    ("link", "frame", "refusal"),
    [
        (113, sll(b"")[:15], "the frame ends inside the cooked capture header: 15 of 16 bytes"),
        (276, sll2(b"")[:19], "the frame ends inside the cooked capture header: 19 of 20 bytes"),
        (0, b"\2\0\0", "the frame ends inside the loopback header: 3 of 4 bytes"),
        (108, b"", "the frame ends inside the loopback header: 0 of 4 bytes"),
        (0, struct.pack("<I", 99) + FOUR, "address family 99 of a loopback frame is not decoded"),
        (108, struct.pack("<I", 2) + FOUR, "address family 33554432 of a loopback frame is not decoded"),
        (113, sll(b"\0\1", 0x8100), "the frame ends inside the VLAN tag: 2 of 4 bytes"),
        (276, sll2(FOUR[:10]), "the frame ends inside the IPv4 header: 10 of 20 bytes"),
    ],
)
def test_what_cannot_be_read_is_refused(link, frame, refusal):
    assert one(frame, link).refusal == refusal


@pytest.mark.parametrize(("link", "cooked"), [(113, sll), (276, sll2), (0, lambda ip: struct.pack("<I", 2) + ip)])
def test_fragments_come_together_on_every_link(link, cooked):
    whole = udp(40000, 7000, bytes(range(92)))
    parts = [ipv4(whole[:48], 17, ident=9, fragment=0x2000), ipv4(whole[48:], 17, ident=9, fragment=6)]
    frames = [cooked(part) for part in parts]
    packets = [decode(number, 0, len(data), data, link) for number, data in enumerate(frames, 1)]
    (packet,) = reassembled(packets)
    assert (packet.payload, packet.checksum_ok, packet.src_mac) == (bytes(range(92)), True, packets[0].src_mac)


@needs_tshark
@pytest.mark.parametrize(("link", "frame", "version", "vlans", "source"), LINKS.values(), ids=LINKS)
def test_wireshark_reads_the_same(link, frame, version, vlans, source, tmp_path: Path):
    stream = io.BytesIO()
    write(stream, [(0, frame)], link)
    names = ("ip.src", "ipv6.src", "ieee8021ad.id", "vlan.id", "sll.src.eth", "tcp.srcport", "tcp.len",
             "tcp.checksum.status")
    (row,) = fields(stream.getvalue(), tmp_path, *names, options=("-o", "tcp.check_checksum:TRUE"))
    assert bool(row["ip.src"]) is (version == 4)
    assert bool(row["ipv6.src"]) is (version == 6)
    assert tuple(int(row[name]) for name in ("ieee8021ad.id", "vlan.id") if row[name]) == vlans
    assert row["sll.src.eth"] == source
    size = str(len(one(frame, link).payload))
    assert (row["tcp.srcport"], row["tcp.len"], row["tcp.checksum.status"]) == ("1", size, "1")


def test_the_links_that_are_said_to_be_decoded_are_those():
    refused = {number for number in range(400) if (decode(1, 0, 60, bytes(60), number).refusal or "").startswith(
        f"frames of link type {number}")}
    assert refused == set(range(400)) - numbers.LINKS

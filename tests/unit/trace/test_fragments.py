import itertools
import random
import time

import pytest
from trace_forge import ACK, ethernet, icmp, ip, ipv4, ipv6, mac, tcp, udp

from lab.trace import fragments
from lab.trace.fragments import Reassembly, reassembled
from lab.trace.packets import Packet, decode
from lab.trace.streams import assemble

WHOLE = udp(40000, 7000, bytes(range(92)))


def numbered(frames: list[bytes]) -> list[Packet]:
    return [decode(number, number * 10, len(frame), frame) for number, frame in enumerate(frames, 1)]


def four(start: int, end: int, more: bool, ident: int = 9, whole: bytes = WHOLE, protocol: int = 17) -> bytes:
    return ethernet(ipv4(whole[start:end], protocol, ident=ident, fragment=(0x2000 if more else 0) | start // 8))


def six(start: int, end: int, more: bool, whole: bytes, before: bytes = b"", first: int = 44, kind: int = 17) -> bytes:
    header = bytes([kind, 0]) + (start | more).to_bytes(2, "big") + b"\0\0\0\7"
    return ethernet(ipv6(before + header + whole[start:end], first), 0x86DD)


PARTS = [four(0, 32, True), four(32, 64, True), four(64, 100, False)]


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_any_order_gives_the_packet_that_was_sent(order):
    packets = list(reassembled(numbered([PARTS[index] for index in order])))
    (whole,) = packets
    assert (whole.payload, whole.checksum_ok, whole.ip_checksum_ok) == (bytes(range(92)), True, True)
    assert (whole.number, whole.time, whole.fragments) == (3, 30, (1, 2, 3))
    assert (whole.identification, whole.more_fragments, whole.sport) == (9, False, 40000)
    assert (whole.src_mac, whole.src) == (mac("02:00:00:00:01:0a"), ip("10.0.1.10"))


def test_other_packets_pass_unchanged_and_in_place():
    other = ethernet(ipv4(udp(1, 2, b"x"), 17))
    packets = numbered([PARTS[0], other, PARTS[1], PARTS[2], other])
    assert [packet.number for packet in reassembled(packets)] == [2, 4, 5]


def test_a_missing_fragment_leaves_nothing():
    assert list(reassembled(numbered(PARTS[:2]))) == []
    assert list(reassembled(numbered(PARTS[1:]))) == []


def test_fragments_of_different_packets_do_not_mix():
    other = udp(40000, 7000, b"z" * 92)
    frames = [PARTS[0], four(0, 32, True, 10, other), PARTS[1], four(32, 100, False, 10, other), PARTS[2]]
    assert [packet.payload for packet in reassembled(numbered(frames))] == [b"z" * 92, bytes(range(92))]


def test_of_overlapping_fragments_the_first_copy_counts():
    frames = [PARTS[0], four(24, 64, True, whole=b"?" * 100), PARTS[1], PARTS[2]]
    (whole,) = reassembled(numbered(frames))
    assert whole.payload == (WHOLE[:32] + b"?" * 32 + WHOLE[64:])[8:]
    assert whole.checksum_ok is False


def test_ethernet_padding_is_not_part_of_a_fragment():
    (whole,) = reassembled(numbered([four(0, 96, True), four(96, 100, False) + bytes(22)]))
    assert whole.payload == bytes(range(92))


def test_a_tagged_frame_keeps_its_tags():
    tag = bytes.fromhex("81000005")
    frames = [frame[:12] + tag + frame[12:] for frame in PARTS]
    (whole,) = reassembled(numbered(frames))
    assert (whole.vlans, whole.payload) == ((5,), bytes(range(92)))


def test_a_segment_and_a_message_too():
    segment = tcp(1, 7000, 3, 4, ACK, b"x" * 60)
    (whole,) = reassembled(numbered([four(0, 40, True, 1, segment, 6), four(40, 80, False, 1, segment, 6)]))
    assert (whole.payload, whole.checksum_ok) == (b"x" * 60, True)
    ping = icmp(8, 0, payload=b"p" * 40)
    (whole,) = reassembled(numbered([four(0, 24, True, 1, ping, 1), four(24, 48, False, 1, ping, 1)]))
    assert (whole.payload, whole.checksum_ok) == (b"p" * 40, True)


HOP = bytes([44, 0]) + bytes(6)
V6 = udp(40000, 7000, bytes(range(92)), "fd00:1::10", "fd00:2::80")


@pytest.mark.parametrize(("before", "first"), [(b"", 44), (HOP, 0)])
def test_ipv6(before, first):
    (whole,) = reassembled(numbered([six(48, 100, False, V6, before, first), six(0, 48, True, V6, before, first)]))
    assert (whole.payload, whole.checksum_ok, whole.dport) == (bytes(range(92)), True, 7000)


def test_ipv6_options_inside_the_fragmented_part():
    inner = bytes([17, 0]) + bytes(6) + V6
    frames = [six(0, 48, True, inner, kind=60), six(48, 108, False, inner, kind=60)]
    (whole,) = reassembled(numbered(frames))
    assert (whole.payload, whole.checksum_ok) == (bytes(range(92)), True)


def test_a_cut_or_endless_packet_is_given_up():
    frame = PARTS[0]
    assert Reassembly().add(decode(1, 0, len(frame), frame[:50])) is None
    far = ethernet(ipv4(b"x" * 64, 17, fragment=0x1FFF))
    assert list(reassembled(numbered([far]))) == []


def test_what_waits_for_ever_gives_way(monkeypatch):
    monkeypatch.setattr(fragments, "_PENDING", 2)
    reassembly = Reassembly()
    for packet in numbered([four(0, 32, True, ident) for ident in range(10)]):
        reassembly.add(packet)
    assert len(reassembly._pending) == 2


@pytest.mark.parametrize("seed", range(100))
def test_any_order_any_overlap_and_any_end_give_the_bytes_that_came_first(seed):
    chance = random.Random(seed)
    reassembly, pieces, total = Reassembly(), [], None
    for number in range(1, 13):
        start = chance.randrange(8) * 8
        last = start > 0 and chance.random() < 0.2
        data = chance.randbytes(chance.randrange(1, 30))
        pieces.append((start, data))
        total = start + len(data) if last else total
        frame = ethernet(ipv4(data, 253, ident=9, fragment=(0 if last else 0x2000) | start // 8))
        packet = decode(number, 0, len(frame), frame)
        if not packet.more_fragments and not packet.fragment_offset:
            continue
        whole, known = reassembly.add(packet), assemble(pieces).data
        assert (whole is not None) == (total is not None and len(known) >= total)
        if whole is not None:
            assert whole.data[whole.transport_start :] == known[:total]
            assert whole.fragments == tuple(range(1, number + 1))
            break


def hostile(kind: str) -> list[bytes]:
    """Fragments of a packet that never gets whole, whose end is known, and of which ever more come."""
    data = bytes(600)
    end = ethernet(ipv4(bytes(8), 17, ident=9, fragment=8000))
    parts = {
        "the same": [(10, 8)] * 8000,
        "longer and longer": [(10, 8 * (count % 70 + 1)) for count in range(8000)],
        "others": [(count % 7900 + 10, 8) for count in range(16_000)],
        "every second, then across": [(count * 2 + 10, 8) for count in range(3900)] + [(10, 600)] * 4000,
    }
    return [end, *(ethernet(ipv4(data[:size], 17, ident=9, fragment=0x2000 | at)) for at, size in parts[kind])]


@pytest.mark.parametrize("kind", ["the same", "longer and longer", "others", "every second, then across"])
def test_what_never_gets_whole_costs_no_more_for_each_fragment(kind):
    packets = numbered(hostile(kind))
    began = time.process_time()
    assert list(reassembled(packets)) == []
    assert time.process_time() - began < 1.5


def test_more_fragments_than_a_packet_has_are_given_up():
    reassembly = Reassembly()
    (packet,) = numbered([PARTS[0]])
    for _ in range(8192):
        assert len(reassembly._pending) <= 1
        reassembly.add(packet)
    assert not reassembly._pending

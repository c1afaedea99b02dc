"""Whatever the bytes are, decoding gives a packet and never an exception."""

import io
import os
import random
from pathlib import Path

import pytest
from test_pcapng import Made
from trace_forge import MSS_AND_SCALE, SYN, Talk, arp, ethernet, icmp, ipv4, ipv6, tcp, udp
from trace_lab import planned

from lab.trace.explain import explain
from lab.trace.flows import Tracker, tcp_conversations
from lab.trace.fragments import Reassembly
from lab.trace.ladder import ladder
from lab.trace.layers import link
from lab.trace.packets import Packet, _usual, decode, quoted, tcp_options
from lab.trace.pcap import TraceError, open_trace, read, write
from lab.trace.survey import Survey, one_conversation
from lab.trace.table import table
from lab.trace.words import summary

V6 = {"src": "fd00:1::10", "dst": "fd00:2::80"}
SEEDS = [
    *(frame for _, frame in Talk().open().send("c", 24, b"hello\n").close().frames),
    ethernet(ipv4(tcp(1, 2, 3, 4, SYN, options=MSS_AND_SCALE), options=b"\1" * 8)),
    ethernet(ipv4(udp(1, 2, b"x" * 40), 17), tags=bytes.fromhex("88a8 0064 8100 0005")),
    ethernet(ipv4(udp(1, 2, b"x" * 40)[:24], 17, fragment=0x2000)),
    ethernet(ipv4(icmp(3, 1, payload=ipv4(udp(1, 2), 17)), 1)),
    ethernet(arp(1, "10.0.1.10", "10.0.1.1"), 0x0806),
    ethernet(ipv6(bytes([60, 0]) + bytes(6) + bytes([43, 1]) + bytes(14) + bytes([6, 4, 4, 1]) + bytes(20)
                  + tcp(1, 2, 3, 4, 16, b"hey", **V6), 0), 0x86DD),
    ethernet(ipv6(bytes([17, 0, 0, 1, 0, 0, 0, 9]) + udp(1, 2, b"x" * 24, **V6)[:24], 44), 0x86DD),
    ethernet(ipv6(bytes([17, 0, 0, 24, 0, 0, 0, 9]) + b"x" * 8, 44), 0x86DD),
    ethernet(ipv4(udp(1, 53, bytes.fromhex("1234 8180 0001 0001 0000 0000 03 777777 00 0001 0001"
                                           "c00c 0001 0001 0000 0005 0004 0a000250")), 17)),
    ethernet(ipv4(tcp(1, 80, 3, 4, 24, b"GET / HTTP/1.1\r\nHost: www\r\n\r\n"))),
    ethernet(ipv4(tcp(1, 443, 3, 4, 24, b"\x16\3\1\0\x2f\1\0\0\x2b\3\3" + bytes(33) + b"\0\2\x13\1\1\0\0\0"))),
]
STRUCTURE = (0, 1, 4, 5, 6, 8, 17, 43, 44, 51, 58, 59, 60, 0x45, 0x60, 0x81, 0x88, 0xDD, 0xFF)


def mutated(frame: bytes, chance: random.Random) -> bytes:
    data = bytearray(frame)
    for _ in range(chance.randrange(1, 4)):
        position = chance.randrange(min(len(data), 90))
        data[position] = chance.choice(STRUCTURE) if chance.random() < 0.6 else chance.randrange(256)
    return bytes(data[: chance.randrange(len(data) + 1)]) if chance.random() < 0.3 else bytes(data)


@pytest.mark.parametrize("part", range(4))
def test_no_mutation_of_a_frame_raises(part):
    chance = random.Random(part)
    tracker, reassembly, plan = Tracker(), Reassembly(), planned()
    refused = whole = 0
    for number in range(25_000):
        data = mutated(chance.choice(SEEDS), chance)
        length = len(data) + chance.choice((0, 0, 0, 100))
        packet = decode(number, number, length, data, chance.choice((1, 1, 1, 1, 101)))
        refused += packet.refusal is not None
        whole += packet.checksum_ok is not None
        assert packet.data is data
        assert len(packet.payload) <= max(packet.payload_length, 0)
        tcp_options(packet)
        tracker.feed(packet)
        if number % 20 == 0:
            assert explain(packet, plan)[0].name == "Frame"
            assert summary(packet)
            assert quoted(packet) is None or packet.icmp_type >= 0
        if packet.fragment_offset or packet.more_fragments:
            reassembly.add(packet)
    for conversation in tracker.conversations:
        assert conversation.client.stream is not None
        assert conversation.server.missing is not None
    assert refused > 2000
    assert whole > 2000


@pytest.mark.parametrize("seed", range(20))
def test_no_mutation_stops_a_ladder(seed):
    chance = random.Random(seed)
    frames = [mutated(chance.choice(SEEDS), chance) for _ in range(30)]
    packets = [decode(number, number, len(data), data) for number, data in enumerate(frames, 1)]
    captures = {"client:eth0": packets, "r1:eth0": packets[::2], "server:eth0": packets[::3]}
    for plan in (planned(), None):
        for conversation in (None, *tcp_conversations(packets)[:3]):
            assert ladder(captures, plan, conversation)
    assert len(table(tcp_conversations(packets), planned())) == len(tcp_conversations(packets))


@pytest.mark.parametrize("order", ["<", ">"])
def test_no_damage_to_a_capture_file_raises_anything_but_the_refusal(order):
    chance, stream = random.Random(order), io.BytesIO()
    write(stream, [(number, data) for number, data in enumerate(SEEDS)])
    opened = 0
    for _ in range(2000):
        damaged = bytearray(stream.getvalue())
        for _ in range(chance.randrange(1, 6)):
            damaged[chance.randrange(4 if chance.random() < 0.9 else 0, len(damaged))] = chance.randrange(256)
        try:
            trace = read(io.BytesIO(bytes(damaged[: chance.randrange(len(damaged))])))
        except TraceError:
            continue
        for frame in trace:
            decode(*frame)
        opened += 1
    assert opened > 1000


def test_the_short_way_through_the_usual_frame_gives_what_the_layers_give():
    chance, short = random.Random(3), 0
    for number in range(20_000):
        data = mutated(chance.choice(SEEDS[:9]), chance)
        layered = Packet(number, 5, len(data), data)
        layered.refusal = link(layered, data, 1)
        assert decode(number, 5, len(data), data) == layered
        short += len(data) >= 54 and _usual(number, 5, len(data), data) is not None
    assert short > 5000


TALK = ("index", "completeness", "opened", "closed", "rtt", "started", "ended", "simultaneous")
SIDE = ("address", "port", "isn", "sent", "highest_ack", "fin_offset", "packets", "payload_bytes", "retransmissions")


def told(tracker: Tracker) -> list[object]:
    """All that a tracker keeps of its conversations."""
    found: list[object] = []
    for talk in tracker.conversations:
        found += [getattr(talk, each) for each in TALK]
        found += [getattr(side, each) for side in talk.sides for each in SIDE]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_quick_way_through_a_conversation_counts_what_the_careful_one_does(seed):
    chance = random.Random(seed)
    quick, careful = Tracker(keep=False), Tracker(keep=False)
    talk = Talk(chance.randrange(2**32), chance.randrange(2**32), sport=40000 + seed).open()
    for _ in range(400):
        who, at = chance.choice("cs"), chance.randrange(300)
        seq = talk.next[who] - at if chance.random() < 0.2 else None
        talk.send(who, 16 | chance.choice((0, 8)), chance.randbytes(chance.choice((0, 1, 7, 900))), seq=seq,
                  window=chance.choice((64240, 64240, 0, 1)), lost=chance.random() < 0.1)  # fmt: skip
    frames = [data for _, data in talk.close().frames]
    sides = damaged = 0
    for number, data in enumerate(frames, 1):
        data = mutated(data, chance) if chance.random() < 0.3 else data
        time, length = number * 1_000_000, len(data)
        packet = decode(number, time, length, data)
        segment = careful.feed(packet)
        side, wrong, _ = quick.skim(number, time, length, data, 1)
        assert (side is None) is (segment is None)
        assert wrong is (packet.checksum_ok is False or packet.ip_checksum_ok is False)
        sides += side is not None
        damaged += wrong
    assert told(quick) == told(careful)
    assert sides > 200
    assert damaged > 20


def test_random_bytes_do_not_raise():
    chance = random.Random(7)
    for number in range(20_000):
        data = chance.randbytes(chance.randrange(120))
        assert decode(number, 0, len(data), data, chance.choice((1, 101))).number == number


RECORDED = Path(__file__).parents[3] / "topologies" / "two-lans" / "tcp-echo" / "recorded"
ROUNDS = int(os.environ.get("SOAK_REPEATS", "1"))


def recorded() -> list[bytes]:
    """Real captures, and the same as pcapng, as cooked frames and in a loopback's frames."""
    files = [path.read_bytes() for path in sorted(RECORDED.glob("*.pcap"))]
    made = Made(">").interface(name=b"eth0", resolution=b"\x09").interface(113).interface(0)
    for _, time, _, data, _ in open_trace(io.BytesIO(files[0])):
        family = b"\2\0\0\0" if data[12:14] == b"\x08\x00" else b"\0\0\0\0"
        made.enhanced(0, time, data).simple(len(data), data)
        made.enhanced(1, time // 1000, bytes(14) + data[12:]).enhanced(2, time // 1000, family + data[14:])
    return [*files, made.data]


def damaged(whole: bytes, chance: random.Random) -> bytes:
    """A capture file with bytes changed, removed, repeated or cut off."""
    data = bytearray(whole)
    for _ in range(chance.randrange(1, 8)):
        if not data:
            break
        at, size = chance.randrange(len(data)), chance.choice((1, 1, 2, 4, 16, 60))
        match chance.randrange(8):
            case 0:
                del data[at : at + size]
            case 1:
                data[at:at] = data[chance.randrange(len(data)) :][:size]
            case 2:
                data[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
            case 3 if chance.random() < 0.3:
                del data[max(at, 40) :]
            case _:
                data[at] = chance.choice(STRUCTURE) if chance.random() < 0.6 else chance.randrange(256)
    return bytes(data)


@pytest.mark.parametrize("seed", range(4 * ROUNDS))
def test_no_damage_to_a_recorded_capture_raises_anything_but_the_refusal(seed):
    """From the file to the table, the ladder and the words about each frame; `make soak` does more rounds."""
    chance, captures = random.Random(seed), recorded()
    ended = shown = 0
    for _ in range(150):
        data = damaged(chance.choice(captures), chance)
        try:
            trace = open_trace(io.BytesIO(data), "damaged")
        except TraceError:
            continue
        packets = [decode(*frame) for frame in trace]
        ended += trace.problem is not None
        for packet in packets[:: chance.randrange(3, 9)]:
            assert explain(packet)[0].name == "Frame"
            assert summary(packet)
        again = open_trace(io.BytesIO(data))
        survey = Survey(again, frames=True)
        assert again.problem == trace.problem
        for point, talks in survey.points.items():
            assert len(table(talks)) == len(talks)
            for talk in talks[:2]:
                own, drawn = one_conversation(open_trace(io.BytesIO(data)), point, talk.index, 30)
                assert ladder({"damaged": own}, None, drawn)
                assert {packet.number for packet in own} >= set(survey.frames(talk)[:1])
                shown += 1
    assert ended > 20
    assert shown > 50

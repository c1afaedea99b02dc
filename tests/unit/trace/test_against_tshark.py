"""The same captures, judged by us and by Wireshark."""

import random
from pathlib import Path

import pytest
from oracle_tshark import fields, needs_tshark, stream
from test_packets import CHAINS, V6
from trace_forge import (
    ACK,
    CLIENT,
    FIN,
    MSS_AND_SCALE,
    PSH,
    RST,
    SYN,
    Talk,
    arp,
    capture,
    ethernet,
    icmp,
    ip,
    ipv4,
    ipv6,
    pseudo,
    tcp,
    udp,
)

from lab.trace import analysis
from lab.trace.flows import Tracker
from lab.trace.flows import tcp_conversations as conversations
from lab.trace.packets import Packet, address, decode

pytestmark = needs_tshark
DATA = PSH | ACK

KINDS = {
    "retransmission": "tcp.analysis.retransmission",
    "fast-retransmission": "tcp.analysis.fast_retransmission",
    "spurious-retransmission": "tcp.analysis.spurious_retransmission",
    "out-of-order": "tcp.analysis.out_of_order",
    "lost-before": "tcp.analysis.lost_segment",
    "acked-unseen": "tcp.analysis.ack_lost_segment",
    "duplicate-ack": "tcp.analysis.duplicate_ack",
    "keep-alive": "tcp.analysis.keep_alive",
    "keep-alive-ack": "tcp.analysis.keep_alive_ack",
    "zero-window": "tcp.analysis.zero_window",
    "window-probe": "tcp.analysis.zero_window_probe",
    "window-probe-ack": "tcp.analysis.zero_window_probe_ack",
    "window-update": "tcp.analysis.window_update",
    "window-full": "tcp.analysis.window_full",
    "port-reused": "tcp.analysis.reused_ports",
}


def decoded(frames: list[tuple[int, bytes]]) -> list[Packet]:
    return [decode(number, time, len(data), data) for number, (time, data) in enumerate(frames, 1)]


def random_talk(seed: int) -> Talk:
    """A conversation with loss, repeats, stalls, probes, resets and reuse, on a client port of its own."""
    chance = random.Random(seed)
    talk = Talk(chance.choice([1000, chance.randrange(2**32)]), 5000, sport=10_000 + seed)
    if chance.random() < 0.9:
        talk.open(chance.choice([MSS_AND_SCALE, MSS_AND_SCALE[:4], b""]))
    else:
        talk.got = {"c": 5000, "s": talk.next["c"]}
    for _ in range(chance.randrange(3, 40)):
        who, dice = chance.choice("cs"), chance.random()
        data = chance.randbytes(chance.choice([2, 10, 100]))
        after = chance.choice([1, 1, 1, 1, 100, 25_000, 300_000]) * 1000
        before = talk.next[who]
        if dice < 0.35:
            talk.send(who, DATA, data, after=after)
        elif dice < 0.5:
            talk.send(who, ACK, after=after)
        elif dice < 0.6:
            talk.send(who, DATA, data, lost=True)
        elif dice < 0.75:
            talk.send(who, DATA, data, seq=before - chance.choice([1, len(data), chance.randrange(150)]), after=after)
        elif dice < 0.84:
            talk.send(who, ACK, window=chance.choice([0, 0, 1, 100, 64240]), after=after)
        elif dice < 0.88:
            talk.send(who, ACK, chance.choice([b"", b"\0"]), seq=before - 1, after=after)
        elif dice < 0.95:
            for _ in range(chance.randrange(1, 4)):
                talk.send(who, ACK, after=after)
        elif dice < 0.96:
            talk.send(who, FIN | ACK, after=after)
        elif dice < 0.965:
            talk.send(who, RST | ACK, after=after)
        elif dice < 0.97:
            talk.send("c", SYN, after=after)
    return talk


def test_the_kinds_of_segments_the_conversations_and_their_completeness(tmp_path: Path):
    frames, origin, start = [], [], 0
    for seed in range(300):
        frames += [(start + time, data) for time, data in random_talk(seed).frames]
        start = frames[-1][0] + 10**9
        origin += [seed] * (len(frames) - len(origin))
    wanted = ("tcp.stream", "tcp.completeness", *KINDS.values())
    rows = fields(capture(frames), tmp_path, *wanted, options=("-2",))
    tracker, seen = Tracker(), set()
    completeness = {}
    for packet, row, seed in zip(decoded(frames), rows, origin, strict=True):
        segment = tracker.feed(packet)
        theirs = {kind for kind, name in KINDS.items() if row[name]}
        assert (seed, packet.number, segment.kinds) == (seed, packet.number, theirs)
        completeness[int(row["tcp.stream"])] = int(row["tcp.completeness"])
        seen |= theirs
    assert completeness == {found.index: found.completeness for found in tracker.conversations}
    assert seen >= set(KINDS) - {"window-probe", "window-probe-ack", "fast-retransmission"}


SCRIPTS = {
    "fast retransmission": lambda t: (
        t.send("c", DATA, b"aa", lost=True).send("c", DATA, b"bb").send("s", ACK, ack=1001).send("c", DATA, b"cc")
        .send("s", ACK, ack=1001).send("s", ACK, ack=1001).send("s", ACK, ack=1001).send("c", DATA, b"aa", seq=1001)
    ),
    "a stalled reader": lambda t: (
        t.send("c", DATA, b"x" * 100).send("s", ACK, window=0).send("c", ACK, seq=1100, after=10**9)
        .send("s", ACK, window=0).send("c", DATA, b"y", after=10**9).send("s", ACK, window=0, ack=1101)
        .send("s", ACK, window=500, ack=1101)
    ),
    "keep-alive": lambda t: (
        t.send("c", DATA, b"x").send("s", ACK).send("c", ACK, seq=1001, after=10**11).send("s", ACK)
        .send("c", ACK, b"\0", seq=1001, after=10**11).send("s", ACK)
    ),
    "half-close": lambda t: (
        t.send("s", FIN | ACK).send("c", ACK).send("c", DATA, b"more").send("s", ACK).send("c", FIN | ACK)
    ),
    "loss, then a time-out": lambda t: (
        t.send("c", DATA, b"aa", lost=True).send("c", DATA, b"bb").send("s", ACK, ack=1001)
        .send("c", DATA, b"aa", seq=1001, after=10**9).send("s", ACK, ack=1005)
    ),
    "reordered by less than a round trip": lambda t: (
        t.send("c", DATA, b"aa", lost=True).send("c", DATA, b"bb", after=1000)
        .send("c", DATA, b"aa", seq=1001, after=1000).send("s", ACK, ack=1005)
    ),
    "each segment twice": lambda t: (
        t.send("c", DATA, b"aa").send("c", DATA, b"aa", seq=1001, after=1000).send("s", ACK, ack=1003)
        .send("s", ACK, ack=1003, after=1000).send("c", DATA, b"aa", seq=1001)
    ),
    "reset": lambda t: t.send("c", DATA, b"aa").send("s", RST | ACK).send("c", DATA, b"bb").send("s", RST),
    "both close at once": lambda t: (
        t.send("c", FIN | ACK).send("s", FIN | ACK, ack=1001).send("c", ACK, ack=5002).send("s", ACK, ack=1002)
    ),
    "a filled window": lambda t: t.send("s", ACK, window=1).send("c", DATA, b"z" * 128).send("s", ACK, window=0),
}


QUIET = {"half-close", "reset", "both close at once"}  # nothing is odd about their sequence numbers


def over_ipv6(frame: bytes, chain: tuple[int, bytes]) -> bytes:
    """The same segment after extension headers; its checksum stays that of IPv4, which nobody verifies here."""
    src, dst = (V6["src"], V6["dst"]) if frame[26:30] == ip(CLIENT) else (V6["dst"], V6["src"])
    first, headers = chain
    return ethernet(ipv6(headers + frame[34:], first, src, dst), 0x86DD)


LAYERS = {"IPv4": None, **{f"IPv6, {name}": chain for name, chain in CHAINS.items()}}


@pytest.mark.parametrize("chain", LAYERS.values(), ids=LAYERS)
def test_scripted_troubles(chain, tmp_path: Path):
    """All scripts in one capture, each on a client port of its own, as Wireshark starts slowly."""
    frames, start = [], 0
    for port, script in enumerate(SCRIPTS.values(), 30_000):
        talk = script(Talk(sport=port).open())
        frames += [(start + time, over_ipv6(data, chain) if chain else data) for time, data in talk.frames]
        start = frames[-1][0] + 10**9
    rows = iter(fields(capture(frames), tmp_path, "tcp.completeness", *KINDS.values(), options=("-2",)))
    found = conversations(decoded(frames))
    for name, talk in zip(SCRIPTS, found, strict=True):
        own = [next(rows) for _ in talk.segments]
        theirs = [{kind for kind, field in KINDS.items() if row[field]} for row in own]
        assert (name, [set(segment.kinds) for segment in talk.segments]) == (name, theirs)
        assert (name, str(talk.completeness)) == (name, own[-1]["tcp.completeness"])
        assert any(theirs) is (name not in QUIET), name


def test_sequence_numbers_that_wrap(tmp_path: Path):
    """Loss and repeats at each place around 2**32.

    Where the number that is expected next is exactly 0, Wireshark takes it for one that is not known and does not see
    that bytes are missing; we do. All else agrees.
    """
    frames, start = [], 0
    for port, before in enumerate(range(12), 30_000):
        talk = Talk(2**32 - 1 - before, 2**32 - 2, sport=port).open()
        first = talk.next["c"]
        talk.send("c", DATA, b"aaaa").send("c", DATA, b"bbbb", lost=True).send("c", DATA, b"cccc").send("s", ACK)
        talk.send("c", DATA, b"bbbb", seq=first + 4, after=10**9).send("s", DATA, b"dddd", ack=first + 12)
        frames += [(start + time, data) for time, data in talk.close().frames]
        start = frames[-1][0] + 10**9
    rows = iter(fields(capture(frames), tmp_path, "tcp.seq", *KINDS.values()))
    differences = []
    for talk in conversations(decoded(frames)):
        assert talk.client.stream == b"aaaabbbbcccc"
        for segment in talk.segments:
            row = next(rows)
            theirs = {kind for kind, name in KINDS.items() if row[name]}
            if segment.kinds != theirs:
                differences.append((segment.kinds - theirs, theirs - segment.kinds, segment.packet.seq))
            if not segment.packet.flags & SYN:
                assert segment.start + 1 == int(row["tcp.seq"])
    assert differences == [({"lost-before"}, set(), 4)]  # of cccc, where bbbb of 4 bytes began at 0


def test_the_byte_of_a_probe_that_was_acknowledged_is_where_we_differ(tmp_path: Path):
    """Wireshark does not always take a probe's byte as unseen when it is acknowledged; we always do, and call an
    acknowledgement of it that keeps the window closed what RFC 9293 section 3.8.6.1 makes of it."""
    talk = Talk().open().send("c", DATA, b"x" * 10).send("s", ACK, window=0).send("c", DATA, b"y")
    frames = talk.send("s", ACK, window=0).frames
    rows = fields(capture(frames), tmp_path, *KINDS.values())
    (found,) = conversations(decoded(frames))
    theirs = {kind for kind, name in KINDS.items() if rows[-1][name]}
    assert theirs - found.segments[-1].kinds == set()
    assert found.segments[-1].kinds - theirs == {"window-probe-ack"}


def troubled(seed: int) -> Talk:
    """Data both ways, some frames lost before the capture and sent again, some out of order, some twice.

    Only frames of one sender change places: Wireshark gives bytes up once it has seen their acknowledgement.
    """
    chance = random.Random(seed)
    talk = Talk(chance.choice([1, 2**32 - 30]), chance.choice([7, 2**31 - 9]), sport=20_000 + seed).open()
    for _ in range(12):
        who, data = chance.choice("cs"), chance.randbytes(chance.randrange(1, 40))
        at = talk.next[who]
        lost = chance.random() < 0.3
        talk.send(who, DATA, data, lost=lost)
        if lost or chance.random() < 0.2:
            talk.send(who, DATA, data, seq=at, after=10**9)
    talk.close(chance.choice("cs"))
    for index in range(4, len(talk.frames) - 4):
        (t1, one), (t2, two) = talk.frames[index : index + 2]
        if chance.random() < 0.4 and one[26:30] == two[26:30]:
            talk.frames[index : index + 2] = [(t1, two), (t2, one)]
    return talk


@pytest.mark.parametrize("seed", range(5))
def test_streams(seed, tmp_path: Path):
    frames = troubled(seed).frames
    (found,) = conversations(decoded(frames))
    assert not found.client.missing
    assert not found.server.missing
    theirs = stream(capture(frames), tmp_path, 0)
    assert set(theirs) == {found.client.stream, found.server.stream}


def right_and_damaged() -> tuple[int, list[bytes]]:
    """Right frames, and after them copies with one wrong byte; how many are right."""
    six = {"src": "fd00:1::10", "dst": "fd00:2::80"}
    frames = [
        ethernet(ipv4(tcp(1, 2, 3, 4, 0xC2, options=MSS_AND_SCALE), ttl=1, ident=77)),
        ethernet(ipv4(tcp(1, 2, 3, 4, 0x3F, b"odd"), options=bytes([148, 4, 0, 0]))),
        ethernet(ipv4(udp(1, 2, b"x" * 5), 17), tags=bytes.fromhex("88a8 0064 8100 0005")),
        ethernet(ipv4(udp(1, 2), 17) + bytes(18)),
        ethernet(ipv4(icmp(8, 0, payload=b"ping"), 1)),
        ethernet(arp(1, "10.0.1.10", "10.0.1.1"), 0x0806) + bytes(18),
        ethernet(ipv6(udp(1, 2, b"x", **six), 17), 0x86DD),
        ethernet(ipv6(icmp(128, 0, b"\0\1\0\2", b"abc", pseudo("fd00:1::10", "fd00:2::80", 58, 11)), 58), 0x86DD),
        *(ethernet(ipv6(chain + tcp(1, 7, 3, 4, ACK, b"x", **V6), first), 0x86DD) for first, chain in CHAINS.values()),
    ]
    chance, undamaged = random.Random(5), len(frames)
    for frame in frames[:undamaged]:
        for _ in range(6):
            damaged = bytearray(frame)
            damaged[chance.randrange(len(frame) - 8, len(frame))] ^= chance.randrange(1, 256)
            frames.append(bytes(damaged))
            if frame[12:14] == b"\x08\x00":
                damaged = bytearray(frame)
                damaged[chance.choice([15, 18, 19, 22, 24, 25, 26, 33])] ^= chance.randrange(1, 256)
                frames.append(bytes(damaged))
    return undamaged, frames


STATUS = {"0": False, "1": True, "2": None, "3": None, "": None}
PREFERENCES = ("ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE",
               "tcp.desegment_tcp_streams:FALSE", "tcp.analyze_sequence_numbers:FALSE")
VERIFY = tuple(part for preference in PREFERENCES for part in ("-o", preference))
CHECKED = ("tcp", "udp", "icmp", "icmpv6")


def test_fields_and_checksums_of_right_and_damaged_frames(tmp_path: Path):
    undamaged, corpus = right_and_damaged()
    frames = list(enumerate(corpus))
    names = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.ttl", "ipv6.hlim", "tcp.srcport", "tcp.dstport",
             "tcp.seq_raw", "tcp.flags", "tcp.window_size_value", "tcp.len", "udp.srcport", "udp.length", "arp.opcode",
             "ip.checksum.status", *(f"{name}.checksum.status" for name in CHECKED))
    rows = fields(capture(frames), tmp_path, *names, options=VERIFY)
    verdicts = set()
    for packet, row in zip(decoded(frames), rows, strict=True):
        where = f"frame {packet.number}: {row}"
        if packet.refusal is not None:
            assert packet.number > undamaged, where
            continue
        if packet.version:
            six = packet.version == 6
            assert str(address(packet.src)) == row["ipv6.src" if six else "ip.src"], where
            assert str(address(packet.dst)) == row["ipv6.dst" if six else "ip.dst"], where
            assert str(packet.ttl) == row["ipv6.hlim" if six else "ip.ttl"], where
            assert packet.ip_checksum_ok is STATUS[row["ip.checksum.status"]], where
        if row["tcp.srcport"]:
            assert (str(packet.sport), str(packet.dport)) == (row["tcp.srcport"], row["tcp.dstport"]), where
            assert (packet.seq, packet.flags) == (int(row["tcp.seq_raw"]), int(row["tcp.flags"], 16)), where
            sizes = int(row["tcp.window_size_value"]), int(row["tcp.len"])
            assert (packet.window, packet.payload_length) == sizes, where
        if row["udp.srcport"]:
            assert (packet.sport, packet.payload_length + 8) == (int(row["udp.srcport"]), int(row["udp.length"])), where
        assert (packet.arp_operation or "") == (int(row["arp.opcode"]) if row["arp.opcode"] else ""), where
        status = "".join(row[f"{name}.checksum.status"] for name in CHECKED)
        assert packet.checksum_ok is STATUS[status], where
        verdicts.add((packet.ip_checksum_ok, packet.checksum_ok))
    assert verdicts >= {(True, True), (True, False), (False, True), (None, True), (None, False)}


def test_fragments_are_put_together_in_the_same_frame(tmp_path: Path):
    segment = tcp(40000, 7000, 1001, 5001, DATA, bytes(range(200)))
    starts = [(0x2000 | 10, 80), (0x2000, 0), (20, 160)]
    frames = [(at, ethernet(ipv4(segment[at : at + 80], ident=9, fragment=field))) for field, at in starts]
    rows = fields(capture(frames), tmp_path, "frame.number", "tcp.len")
    tracker = Tracker()
    ours = [tracker.feed(packet) for packet in decoded(frames)]
    assert [row["tcp.len"] for row in rows] == [str(found.packet.payload_length) if found else "" for found in ours]
    assert ours[2] is not None


def test_every_kind_has_a_name_there():
    assert set(analysis.NAMES.values()) == set(KINDS)

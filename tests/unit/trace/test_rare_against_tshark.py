"""What is rare in real captures, judged by us and by Wireshark: both sides at once, keep-alives, fragments."""

import random
from pathlib import Path

import pytest
from oracle_tshark import fields, needs_tshark
from test_against_tshark import DATA, KINDS, decoded
from trace_forge import ACK, FIN, SYN, Talk, capture, ethernet, ipv4

from lab.trace.flows import Tracker
from lab.trace.flows import tcp_conversations as conversations

pytestmark = needs_tshark


def crossed(port: int) -> Talk:
    """Both send a SYN before they have got the other's (RFC 9293 figure 7)."""
    talk = Talk(sport=port).send("c", SYN).send("s", SYN, after=1000)
    return talk.send("c", SYN | ACK, seq=1000).send("s", SYN | ACK, seq=5000, after=1000)


AT_ONCE = {
    "opened": lambda t: t.send("c", DATA, b"one").send("s", DATA, b"two").close(),
    "opened, then acknowledged": lambda t: t.send("c", ACK).send("s", ACK).send("c", DATA, b"one").close("s"),
    "opened and closed": lambda t: (
        t.send("c", FIN | ACK).send("s", FIN | ACK, ack=1001, after=1000).send("c", ACK, ack=5002)
        .send("s", ACK, ack=1002)
    ),
    "the last bytes cross": lambda t: (
        t.send("c", FIN | DATA, b"bye").send("s", FIN | DATA, b"so long", ack=1001, after=1000)
        .send("c", ACK, ack=5009).send("s", ACK, ack=1005)
    ),
    "a FIN twice": lambda t: (
        t.send("c", FIN | ACK).send("s", FIN | ACK, ack=1001, after=1000).send("c", FIN | ACK, seq=1001, after=10**9)
        .send("s", ACK, ack=1002)
    ),
}


def test_both_open_and_close_at_once(tmp_path: Path):
    """Kinds, completeness, and that it is one conversation, opened by both, of which nothing is missing."""
    frames, start = [], 0
    for port, script in enumerate(AT_ONCE.values(), 31_000):
        frames += [(start + time, data) for time, data in script(crossed(port)).frames]
        start = frames[-1][0] + 10**9
    rows = iter(fields(capture(frames), tmp_path, "tcp.stream", "tcp.completeness", *KINDS.values(), options=("-2",)))
    for (name, _), talk in zip(AT_ONCE.items(), conversations(decoded(frames)), strict=True):
        own = [next(rows) for _ in talk.segments]
        assert {row["tcp.stream"] for row in own} == {str(talk.index)}, name
        theirs = [{kind for kind, field in KINDS.items() if row[field]} for row in own]
        assert (name, [set(segment.kinds) for segment in talk.segments]) == (name, theirs)
        assert (name, str(talk.completeness)) == (name, own[-1]["tcp.completeness"])
        assert talk.simultaneous, name
        assert talk.closed == "fin", name
        assert not talk.client.missing + talk.server.missing, name


def test_keep_alives_of_either_side_answered_or_not(tmp_path: Path):
    talk = Talk(sport=32_000).open().send("c", DATA, b"x").send("s", ACK)
    for who in "cscs":
        talk.send(who, ACK, seq=talk.next[who] - 1, after=10**11)
        talk.send("s" if who == "c" else "c", ACK)
    for size in (0, 1, 1, 0):
        talk.send("s", ACK, bytes(size), seq=talk.next["s"] - 1, after=10**11)
    frames = talk.send("s", DATA, b"at last", after=10**9).send("c", ACK).close("s").frames
    rows = fields(capture(frames), tmp_path, *KINDS.values(), options=("-2",))
    (found,) = conversations(decoded(frames))
    theirs = [{kind for kind, name in KINDS.items() if row[name]} for row in rows]
    assert [set(segment.kinds) for segment in found.segments] == theirs
    assert sum("keep-alive" in kinds for kinds in theirs) == 8
    assert (found.client.stream, found.server.stream) == (b"x", b"at last")


def fragmented(frame: bytes, size: int, order: random.Random, lost: bool) -> list[bytes]:
    """A frame's packet in fragments of `size` bytes, in any order; of a lost one the last to come is missing."""
    body, ident = frame[34:], int.from_bytes(frame[18:20], "big")
    src, dst = (".".join(map(str, frame[at : at + 4])) for at in (26, 30))
    starts = list(range(0, len(body), size))
    order.shuffle(starts)
    made = [
        ethernet(ipv4(body[at : at + size], 6, src, dst, 64, ident, at // 8 | (0x2000 if at + size < len(body) else 0)))
        for at in starts
    ]
    return made[:-1] if lost else made


@pytest.mark.parametrize("seed", range(3))
def test_a_conversation_whose_segments_come_in_fragments(seed: int, tmp_path: Path):
    """Each segment counts in the frame of the fragment that came last; one that never becomes whole does not count."""
    chance, frames, now = random.Random(seed), [], 0
    talk = Talk(sport=33_000 + seed).open()
    for _ in range(12):
        who, data = chance.choice("cs"), chance.randbytes(chance.randrange(40, 200))
        at = talk.next[who]
        talk.send(who, DATA, data)
        if chance.random() < 0.4:
            talk.send(who, DATA, data, seq=at, after=10**9)
    for index, (time, data) in enumerate(talk.close().frames):
        pieces = [data] if len(data) < 80 else fragmented(data, 32, chance, index % 7 == 6)
        now = max(now, time)
        frames += [(now + 1000 * n, piece) for n, piece in enumerate(pieces)]
        now += 1000 * len(pieces)
    rows = fields(capture(frames), tmp_path, "tcp.len", *KINDS.values())
    tracker = Tracker()
    for packet, row in zip(decoded(frames), rows, strict=True):
        segment = tracker.feed(packet)
        assert row["tcp.len"] == (str(segment.packet.payload_length) if segment else ""), packet.number
        theirs = {kind for kind, name in KINDS.items() if row[name]}
        assert (packet.number, set(segment.kinds) if segment else set()) == (packet.number, theirs)
    assert any(packet.more_fragments for packet in decoded(frames))

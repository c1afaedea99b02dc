"""What was sent and not captured: counted by the packets that were kept and by the frames that were skimmed alike."""

import io
import random

import pytest
from trace_forge import ACK, PSH, Talk, capture

from lab.trace.flows import Conversation, tcp_conversations
from lab.trace.holes import Holes, uncaptured
from lab.trace.packets import decode
from lab.trace.pcap import open_trace
from lab.trace.survey import Survey
from lab.trace.table import loss, told

DATA = PSH | ACK


def talks() -> list[tuple[int, bytes]]:
    talk = Talk().open()
    for piece in (b"one", b"three", b"four!!", b"seventh"):
        talk.send("c", DATA, piece).send("s", ACK)
    return talk.send("s", DATA, b"answer").send("c", ACK).close().frames


def both(frames: list[tuple[int, bytes]]) -> list[Conversation]:
    data = capture(frames)
    (kept,) = tcp_conversations(decode(*each) for each in open_trace(io.BytesIO(data)))
    ((skimmed,),) = Survey(open_trace(io.BytesIO(data))).points.values()
    return [kept, skimmed]


@pytest.mark.parametrize(("gone", "client", "server"), [
    ((), 0, 0),
    ((4,), 0, 0),  # an acknowledgement alone
    ((5,), 5, 0),
    ((5, 6, 7), 11, 0),
    ((9, 10), 7, 0),  # the FIN proves it
    ((3, 11), 3, 6),
    ((3, 5, 7, 9, 12, 13, 15), 21, 0),  # of one way alone, so no FIN of the client's either
    ((11, 13, 14, 15, 16, 17), 0, 6),  # the acknowledgement proves it
])
def test_what_later_bytes_or_acknowledgements_prove_is_counted(gone, client, server):
    frames = [frame for number, frame in enumerate(talks()) if number not in gone]
    for talk in both(frames):
        assert [uncaptured(side, talk.peer(side)) for side in talk.sides] == [client, server]
        row = told(1, talk, [])
        assert (row["client_not_captured"], row["server_not_captured"]) == (client, server)
        assert bool(loss([(7, talk)])) == bool(client or server)
        assert client == 0 or f"{client} bytes of the client's in #7" in loss([(7, talk)])


def test_what_comes_late_was_captured():
    frames = talks()
    frames[5:9] = [(time, data) for (time, _), (_, data) in zip(
        frames[5:9], [frames[7], frames[6], frames[5], frames[8]], strict=True)]
    for talk in both(frames):
        assert uncaptured(talk.client, talk.server) == 0


@pytest.mark.parametrize("seed", range(20))
def test_holes_are_those_of_a_set_of_bytes(seed):
    rng = random.Random(seed)
    holes, missing, reached = Holes(), set[int](), 0
    for _ in range(300):
        start = rng.randrange(max(reached - 60, 0), reached + 20)
        end = start + rng.randrange(1, 12)
        if start > reached:
            holes.skip(reached, start)
            missing |= set(range(reached, start))
        else:
            holes.fill(start, end)
            missing -= set(range(start, end))
        reached = max(reached, end)
        assert holes.size == len(missing)


def test_holes_without_end_take_bounded_memory():
    holes = Holes()
    for start in range(0, 10_000, 2):
        holes.skip(start, start + 1)
    assert (holes.size, len(holes._open)) == (5000, 1000)
    holes.skip(10_000, 20_000)
    for start in range(10_001, 20_000, 2):
        holes.fill(start, start + 1)
    assert (holes.size, len(holes._open)) == (10_000, 1000)

import random

import pytest

from lab.trace.streams import Stream, assemble

CASES = {
    "nothing": ([], Stream(b"", (), None)),
    "in order": ([(0, b"ab"), (2, b"cd")], Stream(b"abcd", (), None)),
    "out of order": ([(2, b"cd"), (0, b"ab")], Stream(b"abcd", (), None)),
    "empty pieces": ([(0, b""), (0, b"a"), (1, b"")], Stream(b"a", (), None)),
    "twice": ([(0, b"ab"), (0, b"ab")], Stream(b"ab", (), None)),
    "twice and longer": ([(0, b"ab"), (0, b"abc")], Stream(b"abc", (), None)),
    "overlap": ([(0, b"abc"), (1, b"bcd")], Stream(b"abcd", (), None)),
    "a gap": ([(0, b"ab"), (4, b"ef")], Stream(b"ab", ((2, 4),), None)),
    "a gap at the start": ([(1, b"b")], Stream(b"", ((0, 1),), None)),
    "two gaps": ([(1, b"b"), (3, b"d")], Stream(b"", ((0, 1), (2, 3)), None)),
    "a gap filled": ([(0, b"ab"), (4, b"ef"), (2, b"cd")], Stream(b"abcdef", (), None)),
    "a gap filled by more": ([(1, b"b"), (3, b"d"), (0, b"abcdef")], Stream(b"abcdef", (), None)),
    "first copy wins": ([(0, b"abc"), (0, b"aXc")], Stream(b"abc", (), 1)),
    "first copy wins inside": ([(0, b"a"), (3, b"d"), (0, b"xbcy")], Stream(b"abcd", (), 0)),
    "before the start": ([(-2, b"xxab"), (2, b"c")], Stream(b"abc", (), None)),
    "wholly before the start": ([(-9, b"xx"), (0, b"a")], Stream(b"a", (), None)),
}


@pytest.mark.parametrize(("pieces", "stream"), CASES.values(), ids=CASES)
def test_pieces_are_put_together(pieces, stream):
    assert assemble(pieces) == stream


@pytest.mark.parametrize("seed", range(200))
def test_any_order_and_any_overlap_gives_the_bytes_that_came_first(seed):
    chance = random.Random(seed)
    known: dict[int, int] = {}
    conflicts, pieces = [], []
    for _ in range(chance.randrange(1, 12)):
        start, data = chance.randrange(30), bytes(chance.randrange(3) for _ in range(chance.randrange(12)))
        pieces.append((start, data))
        for at, byte in enumerate(data, start):
            if known.setdefault(at, byte) != byte:
                conflicts.append(at)
    reached = next(at for at in range(100) if at not in known)
    stream = assemble(pieces)
    assert stream.data == bytes(known[at] for at in range(reached))
    missing = {at for start, end in stream.missing for at in range(start, end)}
    assert missing == set(range(max(known, default=-1) + 1)) - set(known)
    # Only the lowest of each piece is looked for, so a later conflict of one piece may hide behind its first.
    assert (stream.inconsistent is None) == (not conflicts)
    assert stream.inconsistent in (*conflicts, None)

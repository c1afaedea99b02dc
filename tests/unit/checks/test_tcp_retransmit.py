"""`tcp-retransmit`: a loss that both ends' captures prove, its repair, and by what that was called for."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from doctored import CLIENT_ISN, PORT, SERVER_ISN, SOURCE_PORT, Story, clean, result

from lab.checks import TcpRetransmit
from lab.checks.base import Outcome, Verdict
from lab.evidence import Capture, Evidence
from lab.trace.packets import ACK, PSH

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
BEYOND = THERE[1:]
X, Y = CLIENT_ISN + 1, SERVER_ISN + 1


def there(story: Story, name: str, seq: int, payload: bytes, ack: int = Y) -> None:
    story.send(name, THERE, src=story.address("client"), dst=story.address("server"), sport=SOURCE_PORT, dport=PORT,
               seq=seq, ack=ack, flags=PSH | ACK, payload=payload)  # fmt: skip


def back(story: Story, name: str, ack: int) -> None:
    story.send(name, THERE[::-1], src=story.address("server"), dst=story.address("client"), sport=PORT,
               dport=SOURCE_PORT, seq=Y, ack=ack, flags=ACK)  # fmt: skip


def lost(copies: int = 1, duplicates: int = 0, *, repaired: bool = True, acknowledged: bool = True) -> Story:
    """Four bytes, of which the first two are lost on the way to r1, and what the two ends then do."""
    story = clean().cut_after("ack")
    there(story, "first", X, b"ab")
    there(story, "second", X + 2, b"cd")
    for number in range(duplicates):  # each repeats what the SYN-ACK acknowledged
        back(story, f"duplicate {number}", X)
    names = ["first"]
    for number in range(1, copies):
        there(story, f"copy {number}", X, b"ab")
        names.append(f"copy {number}")
    if repaired:
        there(story, "repair", X, b"ab")
    if acknowledged:
        back(story, "acknowledgement", X + 4)
    return story.drop(*names, at=BEYOND)


def later(evidence: Evidence, name: str, story: Story, milliseconds: int) -> Evidence:
    """Everything from a packet's first sighting on came so much later."""
    start = next(index for index, frame in enumerate(story.frames) if frame.name == name) * 1_000
    captures = {
        point: Capture(
            point,
            tuple(replace(p, time=p.time + (milliseconds * 1_000_000 if p.time >= start else 0)) for p in each.packets),
            each.end,
        )
        for point, each in evidence.captures.items()
    }
    return replace(evidence, captures=captures)


def judge(story: Story, after: int = 0, **changes: Any) -> Verdict:
    check = TcpRetransmit(**(ENDS | changes))
    evidence = story.evidence(check)
    return check.judge(later(evidence, "repair", story, after) if after else evidence)


@pytest.mark.parametrize(
    ("duplicates", "after", "repair", "outcome"),
    [
        (0, 204, "any", P),
        (0, 204, "timeout", P),
        (0, 204, "fast", F),
        (3, 0, "fast", P),
        (3, 0, "any", P),
        (3, 0, "timeout", F),
        (3, 204, "timeout", P),  # asked for, and sent again only when a timer ran out
        (3, 204, "fast", F),
    ],
)
def test_how_a_loss_was_repaired(duplicates: int, after: int, repair: str, outcome: Outcome) -> None:
    verdict = judge(lost(duplicates=duplicates), after, repair=repair)
    assert verdict.outcome is outcome
    assert verdict.timed == (outcome is F)


def test_it_is_told_with_its_frames() -> None:
    verdict = judge(lost(), 204)
    assert verdict.seen == (
        "the segment with bytes 1 to 2 of client was lost, and sent again 204 ms later by a time-out"
    )
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#6", "client:eth0#8"]
    assert "by fast retransmit, after 3 duplicate ACKs" in judge(lost(duplicates=3)).seen
    assert "was lost 2 times" in judge(lost(copies=2)).seen


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        (lost(repaired=False, acknowledged=False), "not-repaired"),
        (lost(acknowledged=False), "not-acknowledged"),
        (clean(), "nothing-lost"),
        (clean().double("question"), "nothing-lost"),  # sent again although it had arrived
        (clean().drop("question ack", at=("client:eth0", "r1:eth0")), "nothing-lost"),  # nothing to repair in it
    ],
)
def test_what_is_no_repair(story: Story, cause: str) -> None:
    verdict = judge(story)
    assert verdict.outcome is F
    assert verdict.cause is not None
    assert verdict.cause.kind == cause


@pytest.mark.parametrize(("side", "outcome"), [("client", P), ("server", F), ("either", P)])
def test_whose_segment_was_lost(side: str, outcome: Outcome) -> None:
    assert judge(lost(), lost=side).outcome is outcome


@pytest.mark.parametrize(("within", "outcome"), [(0.3, P), (0.1, F)])
def test_a_limit_to_the_delay(within: float, outcome: Outcome) -> None:
    assert judge(lost(), 204, within=within).outcome is outcome


def test_a_segment_that_came_after_the_end_was_not_lost() -> None:
    story = clean()
    evidence = story.evidence(end=story.counts("question") | {"client:eth0": 6})
    verdict = TcpRetransmit(**ENDS).judge(evidence)
    assert verdict.cause is not None
    assert verdict.cause.kind == "nothing-lost"


@pytest.mark.parametrize("end", ["client:eth0", "server:eth0"])
def test_one_end_alone_does_not_tell_a_loss(end: str) -> None:
    check = TcpRetransmit(**ENDS)
    assert check.judge(lost().evidence(check, without=(end,))).outcome is N
    chosen = tuple(point for point in THERE if point != end)
    assert check.judge(lost().evidence(check, without=(end,), capture=chosen)).outcome is N


def test_a_lost_syn_is_a_loss_too() -> None:
    story = clean()
    first = [replace(frame, name="lost") for frame in story.frames if frame.name == "syn"][:1]
    at = next(index for index, frame in enumerate(story.frames) if frame.name == "syn")
    story.frames[at:at] = [replace(first[0], ident=1)]
    assert "the SYN of client was lost" in judge(story).seen


def test_a_program_that_crashed_is_the_cause_where_nothing_was_lost() -> None:
    check = TcpRetransmit(**ENDS)
    steps = result("server", ended="exited", exit_code=1, stderr=b"TypeError: x\n")
    verdict = check.judge(clean().evidence(check, steps=steps))
    assert verdict.cause is not None
    assert verdict.cause.kind == "crashed"


def test_a_single_byte_that_is_sent_again_is_no_keep_alive() -> None:
    """It looks like one: one byte before the next that is due (RFC 1122 §4.2.3.6)."""
    story = clean().cut_after("ack")
    there(story, "first", X, b"a")
    there(story, "repair", X, b"a")
    back(story, "acknowledgement", X + 1)
    verdict = judge(story.drop("first", at=BEYOND), 204)
    assert verdict.outcome is P
    assert verdict.seen == "the segment with byte 1 of client was lost, and sent again 204 ms later by a time-out"


def test_a_keep_alive_with_a_byte_repairs_nothing() -> None:
    story = clean().cut_after("question ack")
    there(story, "keep-alive", X + 5, b"\0")
    verdict = judge(story.drop("keep-alive", at=BEYOND))
    assert verdict.cause is not None
    assert verdict.cause.kind == "nothing-lost"


def sack(*edges: int) -> bytes:
    return struct.pack(f"!BBBB{len(edges)}I", 1, 1, 5, 2 + 4 * len(edges), *(edge % 2**32 for edge in edges))


@pytest.mark.parametrize(("repair", "outcome"), [("fast", P), ("timeout", F)])
def test_of_two_losses_both_are_called_for_by_what_came_after_them(repair: str, outcome: Outcome) -> None:
    """Acknowledgements name the first gap alone; their SACK blocks tell of the second one too (RFC 2018, RFC 6675)."""
    story = clean().cut_after("ack")
    for number, data in enumerate((b"ab", b"cd", b"ef", b"gh")):
        there(story, f"segment {number}", X + 2 * number, data)
    back(story, "asking", X)
    story.alter("asking", options=sack(X + 4, X + 8))
    there(story, "repair", X, b"ab")
    there(story, "repair 2", X + 2, b"cd")
    back(story, "acknowledgement", X + 8)
    story.drop("segment 0", "segment 1", at=BEYOND)
    verdict = judge(story, repair=repair)
    assert verdict.outcome is outcome
    assert "time-out" not in verdict.seen


def test_a_block_before_the_second_loss_does_not_call_for_it() -> None:
    story = clean().cut_after("ack")
    for number, data in enumerate((b"ab", b"cd", b"ef")):
        there(story, f"segment {number}", X + 2 * number, data)
    back(story, "asking", X)
    story.alter("asking", options=sack(X + 2, X + 4))
    there(story, "repair 0", X, b"ab")
    there(story, "repair", X + 4, b"ef")
    back(story, "acknowledgement", X + 6)
    story.drop("segment 0", "segment 2", at=BEYOND)
    assert (
        "the segment with bytes 5 to 6 of client was lost, and sent again 204 ms later by a time-out"
        in judge(story, 204).seen
    )

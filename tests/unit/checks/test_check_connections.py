"""`connections`: how many there are, whether they were served side by side, and whether they were kept apart."""

from __future__ import annotations

from typing import Any

import pytest
from doctored import PORT, Story, result

from lab.checks import Connections
from lab.checks.base import Outcome, Verdict

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
ENDS: dict[str, Any] = {"source": ("client",), "to": "server", "port": (PORT,), "number": 2}
FIRST, SECOND = 40001, 40002
OPEN, ASK, ANSWER, CLOSE = "open", "ask", "answer", "close"
PARTS = {
    OPEN: ("syn", "syn-ack", "ack"),
    ASK: ("question", "question ack"),
    ANSWER: ("answer", "answer ack"),
    CLOSE: ("client fin", "server fin", "last ack"),
}


def talks(*order: str, first: bytes = b"one\n", second: bytes = b"two\n", **changes: bytes | str) -> Story:
    """Two conversations, A and B; `order` are words such as `A open`, what is not named does not happen."""
    story = Story()
    other = str(changes.get("of", "client"))
    answers = {"A": changes.get("to_first", first), "B": changes.get("to_second", second)}
    story.talk("client", FIRST, 1_000, 2_000, first, bytes(answers["A"]), "A ")  # type: ignore[arg-type]
    story.talk(other, SECOND, 3_000, 4_000, second, bytes(answers["B"]), "B ")  # type: ignore[arg-type]
    by_name: dict[str, list[Any]] = {}
    for frame in story.frames:
        by_name.setdefault(frame.name, []).append(frame)
    wanted = [f"{which} {part}" for which, what in map(str.split, order) for part in PARTS[what]]
    story.frames = [frame for name in wanted for frame in by_name[name]]
    return story


TOGETHER = ("A open", "B open", "B ask", "B answer", "A ask", "A answer", "B close", "A close")
IN_TURN = ("A open", "A ask", "A answer", "A close", "B open", "B ask", "B answer", "B close")
ONE_AT_A_TIME = ("A open", "B open", "B ask", "A ask", "A answer", "A close", "B answer", "B close")
NEVER = ("A open", "B open", "B ask", "A ask", "A answer", "A close")


def judge(story: Story, **changes: Any) -> Verdict:
    check = Connections(**(ENDS | {"echo": True} | changes))
    return check.judge(story.evidence(check))


def test_a_client_that_ends_its_side_at_once_may_have_been_answered_late() -> None:
    story = talks(*TOGETHER).later("A client fin", "A question").later("A answer", "A server fin")
    verdict = judge(story, order="together", echo=False)
    assert (kind(verdict), verdict.timed) == ("not-together", True)


def test_fewer_connections_than_asked_for_rest_on_time_where_the_client_ran_on() -> None:
    check = Connections(**(ENDS | {"number": 3}))
    story = talks(*TOGETHER)
    assert not check.judge(story.evidence(check)).timed
    assert check.judge(story.evidence(check, steps=result("client", ended="killed", exit_code=None))).timed


def kind(verdict: Verdict) -> str:
    assert verdict.cause is not None
    return verdict.cause.kind


@pytest.mark.parametrize(
    ("story", "order", "cause"),
    [
        (TOGETHER, "together", ""),
        (TOGETHER, "any", ""),
        (TOGETHER, "in-turn", "together"),
        (IN_TURN, "in-turn", ""),
        (IN_TURN, "any", ""),
        (IN_TURN, "together", "not-together"),
        (ONE_AT_A_TIME, "together", "one-at-a-time"),
        (ONE_AT_A_TIME, "any", ""),
        (NEVER, "together", "one-at-a-time"),
        (NEVER, "any", "too-little"),
    ],
)
def test_served_side_by_side_or_in_turn(story: tuple[str, ...], order: str, cause: str) -> None:
    verdict = judge(talks(*story), order=order)
    assert verdict.outcome is (F if cause else P)
    assert not cause or kind(verdict) == cause
    assert verdict.timed == (cause in ("one-at-a-time", "not-together", "too-little"))


def test_a_server_that_closes_when_it_has_answered_is_told_so() -> None:
    story = talks("A open", "B open", "B ask", "B answer", "B close", "A ask", "A answer", "A close")
    late = story.later("B client fin", "B server fin").alter("B server fin", ack=3_005).alter("B client fin", ack=4_006)
    verdict = judge(late, order="together")
    assert (verdict.outcome, kind(verdict), verdict.timed) == (F, "closed-first", True)
    assert verdict.seen == "server closed client port 40002 when client port 40001 was still to be answered"
    waits = talks(*ONE_AT_A_TIME).later("A client fin", "A server fin").alter("A server fin", ack=1_005)
    assert kind(judge(waits, order="together")) == "one-at-a-time"


def test_an_answer_that_is_wrong_is_told_before_one_that_came_late() -> None:
    """Who waits for the rest of an answer closes when its time is over, and so asks on the next too late."""
    story = talks("A open", "B open", "B ask", "B answer", "A ask", "B close", "A answer", "A close", to_second=b"two")
    assert kind(judge(story, order="together")) == "too-little"
    assert kind(judge(talks(*NEVER), order="together")) == "one-at-a-time"


def test_it_names_the_connections_and_shows_the_frames() -> None:
    verdict = judge(talks(*ONE_AT_A_TIME), order="together")
    assert verdict.seen == "server answered client port 40002 only when client port 40001 had been closed"
    assert {frame.point for frame in verdict.frames} == {"server:eth0"}
    assert judge(talks(*TOGETHER), order="together").seen == (
        "2 connections: client port 40001 and client port 40002; all had been answered before the first of them was "
        "closed; each got back its own bytes"
    )


def test_a_handshake_alone_is_no_service() -> None:
    """A kernel opens connections for a program that never accepts them."""
    assert judge(talks("A open", "B open"), order="together", echo=False).outcome is F


def test_a_greeting_is_no_answer() -> None:
    story = talks("A open", "B open", "B answer", "A ask", "A answer", "A close", "B ask", "B close")
    story.alter("B answer", ack=3_001)
    verdict = judge(story, order="together", echo=False)
    assert verdict.outcome is F
    assert kind(verdict) == "one-at-a-time"


def test_a_client_that_was_ended_has_not_stayed_open() -> None:
    """Its kernel's FIN counts for nobody, and frees a server that serves one at a time."""
    from lab.evidence import Mark

    story = talks(*ONE_AT_A_TIME)
    check = Connections(**ENDS, order="together")
    mark = Mark("client", story.counts("A client fin"), "client", (FIRST,))
    evidence = story.evidence(check)
    assert check.judge(story.evidence(check, marks=(*evidence.marks, mark))).outcome is F


@pytest.mark.parametrize(("number", "cause"), [(1, "several-connections"), (2, ""), (3, "few-connections")])
def test_how_many(number: int, cause: str) -> None:
    verdict = judge(talks(*TOGETHER), number=number)
    assert verdict.outcome is (F if cause else P)
    assert not cause or kind(verdict) == cause


def test_the_answer_of_another_connection() -> None:
    verdict = judge(talks(*TOGETHER, to_first=b"two\n", to_second=b"one\n"))
    assert kind(verdict) == "wrong-client"
    assert verdict.cause is not None
    assert verdict.cause.text == "server sent client port 40001 what client port 40002 had sent"


def test_the_wrong_client_is_told_before_the_one_that_waits() -> None:
    """All answers went to the connection that was accepted last."""
    story = talks("A open", "B open", "B ask", "B answer", "A ask", "B close", "A close", to_second=b"two\none\n")
    assert kind(judge(story, order="together")) == "wrong-client"


@pytest.mark.parametrize(
    ("answer", "cause"), [(b"ONE\n", "differs"), (b"on", "too-little"), (b"one\n!", "too-much"), (b"", "too-little")]
)
def test_what_comes_back_is_not_what_was_sent(answer: bytes, cause: str) -> None:
    assert kind(judge(talks(*TOGETHER, to_first=answer))) == cause


def test_equal_bytes_do_not_tell_connections_apart() -> None:
    assert kind(judge(talks(*TOGETHER, first=b"same\n", second=b"same\n"))) == "not-told-apart"


def test_each_node_and_each_port_takes_part() -> None:
    both = {"source": ("client", "other"), "order": "together"}
    assert judge(talks(*TOGETHER, of="other"), **both).outcome is P
    assert kind(judge(talks(*TOGETHER), **both)) == "not-tried"
    assert kind(judge(talks(*TOGETHER), port=(PORT, 7001))) in ("not-tried", "wrong-target")


def test_nothing_at_all_is_no_pass() -> None:
    verdict = judge(Story(), order="in-turn")
    assert verdict.outcome is F
    assert kind(verdict) == "not-tried"


def test_a_server_that_crashed_is_the_cause() -> None:
    check = Connections(**ENDS, order="together")
    steps = result("server", ended="exited", exit_code=1, stderr=b"OSError: x\n")
    assert kind(check.judge(talks(*NEVER).evidence(check, steps=steps))) == "crashed"


def test_without_the_server_s_capture_one_client_s_is_enough() -> None:
    story = talks(*TOGETHER)
    left = tuple(point for point in story.plan.points if point != "server:eth0")
    for source, outcome in ((("client",), P), (("client", "other"), N)):
        check = Connections(**(ENDS | {"source": source}), order="together", echo=True)
        assert check.judge(story.evidence(check, without=("server:eth0",), capture=left)).outcome is outcome
    check = Connections(**ENDS)
    assert check.judge(story.evidence(check, without=("server:eth0",))).outcome is N


@pytest.mark.parametrize(("answer", "cause"), [(b"client 10", ""), (b"client 1", "too-little"), (b"x", "differs")])
def test_bytes_that_are_part_of_another_connection_s_are_still_its_own(answer: bytes, cause: str) -> None:
    """TCP keeps no boundaries, so a client may well send a part of what another one does."""
    verdict = judge(talks(*TOGETHER, first=b"client 1", second=b"client 10", to_second=answer))
    assert verdict.outcome is (F if cause else P)
    assert not cause or kind(verdict) == cause


def test_the_answer_of_another_connection_is_told_beside_a_part_of_one_s_own() -> None:
    verdict = judge(talks(*TOGETHER, first=b"client 1", second=b"client 10", to_first=b"client 10"))
    assert kind(verdict) == "wrong-client"

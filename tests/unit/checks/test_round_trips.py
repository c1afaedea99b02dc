"""`round-trips`: turns from asking to being answered, at the connecting node alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from doctored import PORT, Story, clean, result

from lab.checks import RoundTrips
from lab.checks.base import Outcome, Verdict
from lab.evidence import Evidence
from lab.topology import Link

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}


def slow(evidence: Evidence, **link: float) -> Evidence:
    """The same evidence, of networks that the plan says to be so."""
    networks = tuple(replace(each, link=Link(**link)) for each in evidence.plan.networks)  # type: ignore[arg-type]
    return replace(evidence, plan=replace(evidence.plan, networks=networks))


def judge(story: Story, at_most: int, **given: Any) -> Verdict:
    return RoundTrips(**(ENDS | given), at_most=at_most).judge(story.evidence())


def test_the_handshake_and_a_question_are_two() -> None:
    verdict = judge(clean(), 2)
    assert verdict.outcome is P
    assert verdict.seen.startswith("2 round trips; they took ")
    assert [str(frame) for frame in verdict.frames][:2] == ["client:eth0#3", "client:eth0#4"]


def test_one_more_than_allowed_fails_and_has_to_be_confirmed() -> None:
    verdict = judge(clean(), 1)
    assert (verdict.outcome, verdict.timed) == (F, True)
    assert verdict.cause is not None
    assert verdict.cause.kind == "waits-each-time"


@pytest.mark.parametrize("lost", [("answer",), ("question", "question ack", "answer")])
def test_who_was_never_answered_has_not_been_quick(lost: tuple[str, ...]) -> None:
    verdict = judge(clean().drop(*lost), 10)
    assert verdict.outcome is F
    assert "never answered" in verdict.seen


def test_nothing_at_all_is_a_failure() -> None:
    assert judge(Story(), 10).outcome is F


def test_a_repeated_question_is_none_of_its_own() -> None:
    assert judge(clean().double("question"), 2).outcome is P


def test_a_link_that_was_not_there_is_not_measured() -> None:
    evidence = slow(clean().evidence(), delay=5.0, jitter=1.0)
    verdict = RoundTrips(**ENDS, at_most=2).judge(evidence)
    assert verdict.outcome is N
    assert "take 16000.0 ms at least: they were not there" in verdict.seen


def test_a_slow_link_is_told() -> None:
    evidence = slow(clean().evidence(), delay=1e-6, jitter=1e-6)
    seen = RoundTrips(**ENDS, at_most=2).judge(evidence).seen
    assert "2 round trips over lan (delay 0.001ms, jitter 0.001ms) and wan" in seen


def test_a_crash_of_the_server_is_the_cause() -> None:
    steps = result("server", ended="exited", exit_code=1, stderr=b"NameError: x\n")
    evidence = replace(clean().drop("answer").evidence(), steps=steps)
    verdict = RoundTrips(**ENDS, at_most=2).judge(evidence)
    assert verdict.outcome is F
    assert verdict.cause is not None
    assert verdict.cause.kind == "crashed"

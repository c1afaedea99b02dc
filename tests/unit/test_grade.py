"""Points from passed checks only, needs inherited, the root cause first and once, exit codes by their precedence."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest
from doctored import Story, result

from lab import grade as grading
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.evidence import Evidence
from lab.exercise import Graded
from lab.grade import Grade, judge, students_view, tidy

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
CRASH, NEVER, DATA = Cause("crashed", "it crashed"), Cause("never-closed", "never"), Cause("too-little", "little")


@dataclass(frozen=True)
class Says(Check):
    """A check with a verdict of the test's choice."""

    kind: ClassVar[str] = "says"
    claims: ClassVar[tuple[str, ...]] = ()
    rule: ClassVar[str] = "none"

    outcome: Outcome = P
    cause: Cause | None = None
    timed: bool = False

    def judge(self, evidence: Evidence) -> Verdict:
        return Verdict(self.outcome, "none", "something", "something", (FrameRef("a:b", 1),), self.cause, self.timed)


def says(name: str, outcome: Outcome = P, points: float = 1, **fields: object) -> Graded:
    needs = fields.pop("needs", ())
    return Graded(name, Says(outcome, **fields), points, needs)  # type: ignore[arg-type]


def grade(*checks: Graded) -> Grade:
    return judge(Story().evidence(*checks))


@pytest.mark.parametrize(
    ("outcomes", "points", "outcome", "exit_code"),
    [
        ([P, P], 2, P, 0),
        ([P, F], 1, F, 1),
        ([F, F], 0, F, 1),
        ([P, N], 1, N, 3),
        ([F, N], 0, N, 3),
        ([N, N], 0, N, 3),
        ([], 0, P, 0),
    ],
)
def test_points_and_exit_code(outcomes: list[Outcome], points: float, outcome: Outcome, exit_code: int) -> None:
    found = grade(*(says(f"c{i}", each) for i, each in enumerate(outcomes)))
    assert (found.points, found.of) == (points, len(outcomes))
    assert found.outcome is outcome
    assert found.exit_code == exit_code


@pytest.mark.parametrize("outcome", [F, N])
def test_checks_without_points_never_count(outcome: Outcome) -> None:
    found = grade(says("a"), says("shown", outcome, 0, cause=CRASH, timed=True))
    assert (found.exit_code, found.points, found.of, found.timed) == (0, 1, 1, False)
    assert [r.verdict.outcome for r in found.results] == [P, outcome]


@pytest.mark.parametrize(
    ("needed", "own", "outcome", "seen"),
    [
        (P, P, P, "something"),
        (P, F, F, "something"),
        (F, P, F, "needs first, which failed"),
        (F, F, F, "needs first, which failed"),
        (F, N, F, "needs first, which failed"),
        (N, P, N, "needs first, which was not measured"),
        (N, F, N, "needs first, which was not measured"),
    ],
)
def test_needs_are_inherited(needed: Outcome, own: Outcome, outcome: Outcome, seen: str) -> None:
    found = grade(says("first", needed), says("second", own, 3, needs=("first",)))
    second = found.results[1]
    assert second.verdict.outcome is outcome
    assert second.verdict.seen == seen
    assert second.points == (3 if outcome is P else 0)
    assert second.needed == (None if needed is P else "first")


def test_needs_reach_down_and_name_the_root() -> None:
    found = grade(says("a", F, cause=DATA, timed=True), says("b", needs=("a",)), says("c", needs=("b",)))
    last = found.results[2]
    assert last.verdict.seen == "needs a, which failed"
    assert last.verdict.cause == DATA
    assert last.verdict.timed
    assert found.causes[0].checks == ("a", "b", "c")


def test_a_failed_need_outranks_an_unmeasured_one() -> None:
    found = grade(says("a", N), says("b", F), says("c", needs=("a", "b")))
    assert found.results[2].verdict.outcome is F


@pytest.mark.parametrize("needs", [("nobody",), ("self",), ("other",)])
def test_odd_needs_do_not_hang(needs: tuple[str, ...]) -> None:
    found = grade(says("self", needs=needs), says("other", needs=("self",)))
    assert found.results[0].verdict.outcome is P


def test_equal_causes_are_told_once_root_first_best_check_first() -> None:
    found = grade(
        says("closed", F, cause=NEVER),
        says("opened", F, 2, cause=CRASH),
        says("echoed", F, 6, cause=Cause("crashed", "it crashed")),
        says("unexplained", F),
    )
    assert [(root.cause.kind, root.checks) for root in found.causes] == [
        ("crashed", ("echoed", "opened")),
        ("never-closed", ("closed",)),
    ]


def test_a_check_that_shows_the_cause_itself_comes_before_one_that_inherits_it() -> None:
    found = grade(says("small", F, 1, cause=DATA), says("big", P, 9, needs=("small",)))
    assert found.causes[0].checks == ("small", "big")


def test_causes_of_passed_checks_are_none() -> None:
    assert grade(says("a", P, cause=CRASH), says("b", N, cause=CRASH)).causes == ()


@pytest.mark.parametrize(("outcome", "timed", "wanted"), [(F, True, True), (F, False, False), (P, True, False)])
def test_timed_failures_ask_for_a_second_run(outcome: Outcome, timed: bool, wanted: bool) -> None:
    assert grade(says("a", outcome, timed=timed)).timed is wanted


@pytest.mark.parametrize(
    ("points", "written"), [(8.0, "8"), (2.5, "2.5"), (0.1 + 0.2, "0.3"), (0.0, "0"), (10, "10"), (1 / 3, "0.333333")]
)
def test_points_are_written_plainly(points: float, written: str) -> None:
    assert str(tidy(points)) == written


@pytest.mark.parametrize(("late", "wanted"), [("client", True), ("server", False)])  # the server is the student's
def test_what_failed_beside_a_late_program_of_the_teachers_asks_for_a_second_run(late: str, wanted: bool) -> None:
    evidence = replace(Story().evidence(says("a", F)), steps=result(late, ready=False))
    assert judge(evidence).timed is wanted


def test_students_are_told_a_cause_that_only_follows_from_a_hidden_checks() -> None:
    late, shown = Cause("timed-out", "it waited"), says("shown", F, cause=Cause("timed-out", "it waited"))
    hidden = replace(says("secret", F, cause=CRASH), visible=False)
    whole = grade(shown, hidden)
    assert [(root.cause, root.checks) for root in whole.causes] == [(CRASH, ("secret", "shown"))]
    view, _ = students_view(whole)
    assert [(root.cause, root.checks) for root in view.causes] == [(late, ("shown",))]
    view, _ = students_view(grade(says("shown", F, cause=CRASH), hidden, says("other", F, cause=late)))
    assert [(root.cause, root.checks) for root in view.causes] == [(CRASH, ("shown", "other"))]


def test_many_checks_that_each_need_all_before_them_are_each_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, follow = [0], grading._first_unmet

    def counted(*given: Any) -> str | None:
        looks[0] += 1
        assert looks[0] <= 60 * 60
        return follow(*given)

    monkeypatch.setattr(grading, "_first_unmet", counted)
    names = [f"c{number}" for number in range(60)]
    checks = [says(name, F if name == "c3" else P, needs=tuple(names[:at])) for at, name in enumerate(names)]
    found = grade(*checks)
    assert found.points == 3
    assert {each.needed for each in found.results[4:]} == {"c3"}

"""What the runs of a try prove about an exercise: whether all came as it must, and what came of it instead; pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lab.checks.base import Outcome
from lab.errors import FAILED, NOT_MEASURED, PASSED
from lab.exercise import Exercise
from lab.grade import Grade
from lab.trial.hand_ins import EXPECT_FILE, WRONG, HandIn


@dataclass(frozen=True)
class Ran:
    """One run of a hand-in, judged; its outcomes by check. `problem` says why there was nothing to judge.

    `needed` names the check for which another was not judged by itself.

    `directories` are its run and, where a failure rested on a time limit (`timed`), the undisturbed one that decided.
    """

    hand_in: str
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    points: float = 0
    of: float = 0
    cause: str = ""
    cause_text: str = ""
    timed: bool = False
    directories: tuple[str, ...] = ()
    problem: str = ""
    needed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """Something about the exercise that its teacher should know; `runs` are the run directories that show it."""

    hand_in: str
    checks: tuple[str, ...]
    what: str
    hint: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """All runs of a try, and what follows: deviations make it fail, unmeasured ones leave it open, notes do neither."""

    exercise: Exercise
    hand_ins: tuple[HandIn, ...]
    runs: tuple[Ran, ...]
    deviations: tuple[Finding, ...]
    unmeasured: tuple[Finding, ...]
    notes: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """The exit code of `lab try`."""
        return NOT_MEASURED if self.unmeasured else FAILED if self.deviations else PASSED

    def runs_of(self, hand_in: str) -> list[Ran]:
        """The runs of one hand-in, one a repeat."""
        return [ran for ran in self.runs if ran.hand_in == hand_in]


def ran(hand_in: str, grade: Grade, directories: Iterable[str], *, timed: bool) -> Ran:
    """What a try keeps of a judged run."""
    root = grade.causes[0].cause if grade.causes else None
    return Ran(
        hand_in=hand_in,
        outcomes={result.graded.id: result.verdict.outcome for result in grade.results},
        seen={result.graded.id: result.verdict.seen for result in grade.results},
        needed={result.graded.id: result.needed for result in grade.results if result.needed},
        points=grade.points,
        of=grade.of,
        cause=root.kind if root else "",
        cause_text=root.text if root else "",
        timed=timed,
        directories=tuple(directories),
    )


def unconfirmed(hand_in: HandIn, grade: Grade) -> bool:
    """Whether a second run has to confirm a failure: a graded one, or one without points that is told all the same."""
    if grade.timed or hand_in.kind not in ("solution", "wrong"):
        return grade.timed
    failed = (result for result in grade.results if result.verdict.outcome is Outcome.FAILED)
    return any(result.verdict.timed and result.graded.id not in hand_in.fails for result in failed)


def assess(exercise: Exercise, hand_ins: Sequence[HandIn], runs: Sequence[Ran]) -> Trial:
    """What the runs prove about the exercise; pure."""
    graded = [each.id for each in exercise.checks if each.counts]
    by_name = {hand_in.name: [each for each in runs if each.hand_in == hand_in.name] for hand_in in hand_ins}
    deviations: list[Finding] = []
    unmeasured: list[Finding] = []
    notes: list[Finding] = []
    if not graded:
        deviations.append(Finding("", (), "no check has points, so nothing is graded", "give a check points: 1"))
    for hand_in in hand_ins:
        repeats = by_name[hand_in.name]
        open_ones = list(_unmeasured(hand_in, repeats, graded))
        unmeasured += open_ones
        if not open_ones:
            deviations += _deviations(hand_in, repeats, graded)
            notes += _notes(hand_in, repeats, graded)
    wrong = [each for each in runs if each.hand_in.startswith(f"{WRONG}/")]
    deviations += _never_failed(graded, wrong)
    notes += _never_failed_itself(graded, wrong)
    return Trial(exercise, tuple(hand_ins), tuple(runs), tuple(deviations), tuple(unmeasured), tuple(notes))


def _unmeasured(hand_in: HandIn, repeats: Sequence[Ran], graded: Sequence[str]) -> Iterator[Finding]:
    """What could not be measured; of checks without points only where something is expected of them."""
    for each in repeats:
        if each.problem:
            yield Finding(hand_in.name, (), each.problem, "lab doctor tells what works here", each.directories)
        for check, outcome in each.outcomes.items():
            if outcome is Outcome.NOT_MEASURED and (check in graded or hand_in.kind == "wrong"):
                what = f"{check} could not be measured: {each.seen.get(check, '')}"
                yield Finding(hand_in.name, (check,), what, "", each.directories)


def _deviations(hand_in: HandIn, repeats: Sequence[Ran], graded: Sequence[str]) -> Iterator[Finding]:
    """How a hand-in's runs differ from what they must show, and from each other."""
    told = set()
    for each in repeats:
        for finding in _deviation(hand_in, each, graded):
            if finding.what not in told:
                told.add(finding.what)
                yield finding
    checks = repeats[0].outcomes if repeats else {}
    differing = tuple(check for check in checks if len({each.outcomes[check] for each in repeats}) > 1)
    if differing:
        counts = [f"{check} passed {_passed(check, repeats)} of {len(repeats)} times" for check in differing]
        hint = "a verdict that is not always the same is unfair: look for what depends on time or on luck"
        runs = tuple(each.directories[-1] for each in repeats if each.directories)
        yield Finding(hand_in.name, differing, f"repeats do not agree: {', '.join(counts)}", hint, runs)


def _passed(check: str, repeats: Sequence[Ran]) -> int:
    return sum(each.outcomes[check] is Outcome.PASSED for each in repeats)


def _deviation(hand_in: HandIn, each: Ran, graded: Sequence[str]) -> Iterator[Finding]:
    passed = [check for check, outcome in each.outcomes.items() if outcome is Outcome.PASSED]
    failed = [check for check, outcome in each.outcomes.items() if outcome is Outcome.FAILED]
    if hand_in.kind == "solution":
        for check in failed:
            if check in graded:
                hint = "a right solution must get all points: mend the solution, or the check"
                yield Finding(hand_in.name, (check,), _why(check, each), hint, each.directories)
    elif hand_in.kind == "empty":
        for check in passed:
            if check in graded:
                what = f"{check} passes though nothing was handed in: {each.seen[check]}"
                hint = "its points cost a student nothing: let it need (needs:) a check of the student's own work"
                yield Finding(hand_in.name, (check,), what, hint, each.directories)
    elif hand_in.kind == "wrong":
        yield from _unexpected(hand_in, each, passed, failed)


def _unexpected(hand_in: HandIn, each: Ran, passed: list[str], failed: list[str]) -> Iterator[Finding]:
    for check in passed:
        if check in hand_in.fails:
            what = f"{check} passes, and {EXPECT_FILE} says that it fails; seen: {each.seen[check]}"
            yield Finding(hand_in.name, (check,), what, "the check does not notice this mistake", each.directories)
    for check in failed:
        if check not in hand_in.fails:
            hint = f"add {check} to fails in {EXPECT_FILE} if that is right"
            yield Finding(hand_in.name, (check,), f"{_why(check, each)}, and {EXPECT_FILE} says that it passes", hint,
                          each.directories)  # fmt: skip
    if hand_in.cause and each.cause != hand_in.cause:
        told = f"{each.cause} ({each.cause_text})" if each.cause else "none"
        what = f"the root cause is {told}, and {EXPECT_FILE} says {hand_in.cause}"
        typo = difflib.get_close_matches(hand_in.cause, [each.cause], cutoff=0.85)
        hint = f"did you mean {typo[0]}?" if typo else "students are told the root cause first"
        yield Finding(hand_in.name, (), what, hint, each.directories)


def _why(check: str, each: Ran) -> str:
    return f"{check} fails: {each.seen[check]}"


def _notes(hand_in: HandIn, repeats: Sequence[Ran], graded: Sequence[str]) -> Iterator[Finding]:
    for check in repeats[0].outcomes if repeats else ():
        outcomes = {each.outcomes[check] for each in repeats}
        free = {"skeleton": "the skeleton, as it is handed out", "idle": "a program that does nothing"}
        if hand_in.kind in free and check in graded and Outcome.PASSED in outcomes:
            what = f"the points of {check} cost a student nothing: {free[hand_in.kind]} passes it"
            yield Finding(hand_in.name, (check,), what)
        if hand_in.kind == "solution" and check not in graded and Outcome.FAILED in outcomes:
            what = f"{check} has no points, and the solution fails it: whoever is right sees a ✗"
            yield Finding(hand_in.name, (check,), what)


def _never_failed(graded: Sequence[str], wrong: Sequence[Ran]) -> Iterator[Finding]:
    """Graded checks that no wrong hand-in fails: nothing shows that they notice anything."""
    failed = {check for each in wrong for check, outcome in each.outcomes.items() if outcome is Outcome.FAILED}
    for check in graded:
        if check not in failed:
            what = f"no wrong hand-in fails {check}, so nothing shows that it notices a mistake"
            hint = f"add a folder to {WRONG}/ with the mistake that {check} is there for, and {EXPECT_FILE} in it"
            yield Finding("", (check,), what, hint)


def _never_failed_itself(graded: Sequence[str], wrong: Sequence[Ran]) -> Iterator[Finding]:
    """Graded checks that wrong hand-ins fail only for what they need: nothing shows that their own rule notices one."""
    failed = {(check, each.needed.get(check)) for each in wrong for check, outcome in each.outcomes.items()
              if outcome is Outcome.FAILED}  # fmt: skip
    for check in graded:
        needed = {other for name, other in failed if name == check and other}
        if needed and (check, None) not in failed:
            what = f"wrong hand-ins fail {check} only because it needs {' and '.join(sorted(needed))}"
            hint = f"add a folder to {WRONG}/ with the mistake that {check} itself is there for"
            yield Finding("", (check,), what, hint)

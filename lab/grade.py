"""Verdicts and points become a grade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lab.checks.base import Cause, Outcome, Verdict
from lab.checks.depth import depth, follows, is_foreign
from lab.errors import FAILED, NOT_MEASURED, PASSED
from lab.evidence import Evidence
from lab.exercise import Graded

_HIDDEN = "a hidden check"
UNVERIFIED = "unverified"  # the label of what rests on captures that the student made


@dataclass(frozen=True)
class Result:
    """A check of an exercise and what became of it: `points` out of `of`."""

    graded: Graded
    verdict: Verdict
    points: float
    of: float
    needed: str | None = None  # the check whose outcome it inherits

    @property
    def hint(self) -> str:
        """The check's own hint, where the check failed for a reason that the hint can be about; else empty."""
        if self.verdict.outcome is not Outcome.FAILED or self.needed:
            return ""
        cause = self.verdict.cause
        return "" if cause and is_foreign(cause, self.graded.check.kind) else self.graded.hint


@dataclass(frozen=True)
class RootCause:
    """A cause and the ids of the checks that failed for it, the one that shows it best first."""

    cause: Cause
    checks: tuple[str, ...]


@dataclass(frozen=True)
class Grade:
    """The results in the order of the exercise; `causes` with the root cause first, each once.

    `cut` tells that the run as a whole came to grief through no fault of the submission: nothing is proved by it.
    `unverified` tells that the captures were handed in, so that nobody knows how they came about.
    """

    results: tuple[Result, ...]
    causes: tuple[RootCause, ...]
    cut: bool = False
    unverified: bool = False

    @property
    def points(self) -> float:
        """What passed checks earned."""
        return tidy(sum(result.points for result in self.results))

    @property
    def of(self) -> float:
        """What all checks could earn."""
        return tidy(sum(result.of for result in self.results))

    @property
    def outcome(self) -> Outcome:
        """Of the graded checks as a whole: one that was not measured holds the grade back, whatever else failed."""
        if self.cut:
            return Outcome.NOT_MEASURED
        outcomes = {result.verdict.outcome for result in self.results if result.graded.counts}
        for outcome in (Outcome.NOT_MEASURED, Outcome.FAILED):
            if outcome in outcomes:
                return outcome
        return Outcome.PASSED

    @property
    def timed(self) -> bool:
        """Whether a graded failure rests on a time limit, so that a second run has to confirm it."""
        failed = (r for r in self.results if r.graded.counts and r.verdict.outcome is Outcome.FAILED)
        return any(result.verdict.timed for result in failed)

    @property
    def exit_code(self) -> int:
        """The exit code of `lab run` and `lab judge`."""
        return {Outcome.PASSED: PASSED, Outcome.FAILED: FAILED, Outcome.NOT_MEASURED: NOT_MEASURED}[self.outcome]


@dataclass(frozen=True)
class Hidden:
    """What a student is told of hidden checks: how many there are, and what they earned together."""

    checks: int
    points: float
    of: float


def students_view(grade: Grade) -> tuple[Grade, Hidden]:
    """A grade without hidden checks (`visible: false`) and what only they show; the points of both parts add up."""
    hidden = {result.graded.id for result in grade.results if not result.graded.visible}
    secret = [result for result in grade.results if result.graded.id in hidden]
    results = tuple(_unhinted(result, hidden) for result in grade.results if result.graded.id not in hidden)
    return replace(grade, results=results, causes=_causes(results)), Hidden(
        len(secret), tidy(sum(each.points for each in secret)), tidy(sum(each.of for each in secret))
    )


def _unhinted(result: Result, hidden: set[str]) -> Result:
    """A result that does not say which hidden check it needs, nor why that failed."""
    if result.needed not in hidden:
        return result
    said = "failed" if result.verdict.outcome is Outcome.FAILED else "was not measured"
    label = f"{UNVERIFIED}: " if result.verdict.seen.startswith(f"{UNVERIFIED}: ") else ""
    verdict = replace(result.verdict, seen=f"{label}needs {_HIDDEN}, which {said}", cause=None)
    return replace(result, verdict=verdict, needed=_HIDDEN)


def judge(evidence: Evidence) -> Grade:
    """Judge every check of the evidence's exercise; pure, so equal evidence gives an equal grade."""
    checks = {graded.id: graded for graded in evidence.exercise.checks}
    own = {name: graded.check.judge(evidence) for name, graded in checks.items()}
    if _late(evidence):
        own = {name: replace(verdict, timed=True) for name, verdict in own.items()}
    unmet: dict[str, str | None] = {}
    results = tuple(_result(graded, checks, own, unmet) for graded in checks.values())
    if evidence.exercise.unverified:
        results = tuple(map(_labelled, results))
    cut = any(gap.owner == "lab" and not gap.where for gap in evidence.gaps)
    return Grade(results, _causes(results), cut, evidence.exercise.unverified)


def _labelled(result: Result) -> Result:
    """A result that says that nobody saw how its evidence was made."""
    verdict, cause = result.verdict, result.verdict.cause
    if cause is not None:
        if cause.kind == "flooded":
            cause = replace(cause, kind="no-capture", look_at="the file, and where and how it was captured")
        cause = replace(cause, text=f"{UNVERIFIED}: {cause.text}")
    return replace(result, verdict=replace(verdict, seen=f"{UNVERIFIED}: {verdict.seen}", cause=cause))


def _late(evidence: Evidence) -> bool:
    """Whether a program of the teacher's was not ready in time: whatever failed may have failed for that alone."""
    programs = {step.name for step in evidence.exercise.steps if step.code != "submission"}
    return any(result.ready is False for name, result in evidence.steps.items() if name in programs)


def tidy(points: float) -> float:
    """Points as they are written: 8 and not 8.0, and no dust of binary fractions."""
    rounded = round(points, 6)
    return int(rounded) if rounded == int(rounded) else rounded


def _result(
    graded: Graded, checks: Mapping[str, Graded], own: Mapping[str, Verdict], known: dict[str, str | None]
) -> Result:
    needed = _first_unmet(graded, checks, own, known)
    verdict = own[graded.id]
    if needed is not None:
        root = own[needed]
        said = "failed" if root.outcome is Outcome.FAILED else "was not measured"
        verdict = replace(
            verdict, outcome=root.outcome, seen=f"needs {needed}, which {said}", frames=(), cause=root.cause,
            timed=root.timed,
        )  # fmt: skip
    points = graded.points if verdict.outcome is Outcome.PASSED else 0
    return Result(graded, verdict, tidy(points), tidy(graded.points), needed)


def _first_unmet(
    graded: Graded, checks: Mapping[str, Graded], own: Mapping[str, Verdict], known: dict[str, str | None]
) -> str | None:
    """The check, however far down, for which this one's needs are unmet: one that failed before one not measured.

    `known` keeps what was found: many checks that all need those before them have ways without number between them.
    """
    if graded.id in known:
        return known[graded.id]
    known[graded.id] = None  # should needs go in a circle
    unmet = []
    for name in graded.needs:
        if name in checks:
            deeper = _first_unmet(checks[name], checks, own, known)
            unmet += [deeper] if deeper else [name] if own[name].outcome is not Outcome.PASSED else []
    failed = [name for name in unmet if own[name].outcome is Outcome.FAILED]
    known[graded.id] = next(iter([*failed, *unmet]), None)
    return known[graded.id]


def _causes(results: tuple[Result, ...]) -> tuple[RootCause, ...]:
    found: dict[Cause, list[Result]] = {}
    for result in results:
        if result.verdict.outcome is Outcome.FAILED and result.verdict.cause is not None:
            found.setdefault(result.verdict.cause, []).append(result)
    first, *others = sorted(found, key=depth) or (None,)
    further = [result for other in others if follows(other, first) for result in found.pop(other)] if first else []
    causes = [
        RootCause(cause, tuple(r.graded.id for r in sorted(failed, key=lambda r: (r.needed is not None, -r.of))))
        for cause, failed in found.items()
    ]
    causes.sort(key=lambda root: depth(root.cause))
    if further:
        causes[0] = replace(causes[0], checks=(*causes[0].checks, *(result.graded.id for result in further)))
    return tuple(causes)

"""One student's turn: what was handed in is opened, run, judged and kept, in a process of its own."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import pipeline
from lab.checks.base import Outcome
from lab.classroom.identity import lab_version
from lab.classroom.intake import HandIn, open_hand_in
from lab.classroom.lateness import lateness
from lab.classroom.results import FORMAT, Results, Row, State, row_of
from lab.console import quiet
from lab.errors import LabError
from lab.evidence import Evidence
from lab.exercise import Exercise, HandedIn, parse_exercise
from lab.exercise.variant import Secret
from lab.gather.rundir import RunDirectory, exercise_digest
from lab.grade import Grade
from lab.grammar import NOBODY, Refused
from lab.report.json import report_dict
from lab.report.text import report_lines
from lab.runtime.base import Runtime

_WIDTH = 100  # columns of the report that is kept for the student


@dataclass(frozen=True)
class Batch:
    """What all students of a batch have in common."""

    exercise: Exercise
    runtime: Runtime | None  # None where nothing is run
    results: Results
    repeat: int = 1
    secret: Secret | None = None  # of which each student's own values are made

    def variant(self, student: str) -> bytes:
        """The key of a student's values."""
        return self.secret.key(self.exercise.name, student) if self.secret else NOBODY

    @property
    def identity(self) -> dict[str, Any]:
        """What makes a kept result worth keeping, beside the submission: equal exercise, `lab` and way of running."""
        return {
            "exercise": {"name": self.exercise.name, "sha256": exercise_digest(self.exercise)},
            "lab": lab_version(),
            "runtime": self.runtime.name if self.runtime else "none",
            "repeat": self.repeat,
            "variants": self.secret.mark if self.secret else "",
        }

    @property
    def limit(self) -> float:
        """Seconds after which a student's turn has gone wrong."""
        return self.repeat * self.exercise.time_limit


@dataclass(frozen=True)
class Job:
    """One student's turn; `alone` is the one that confirms, with nothing beside it, what rests on a time limit."""

    batch: Batch
    hand_in: HandIn
    sha256: str
    alone: bool = False
    earlier: tuple[Mapping[str, Any], ...] = ()  # the runs before this turn, as `run_verdicts` tells them

    @property
    def limit(self) -> float | None:
        """The seconds that it may take."""
        return self.batch.limit

    def carry_out(self) -> Row:
        """Run, judge, keep the result, and tell it in brief."""
        if self.hand_in.problem:
            return self._keep("refused", self.hand_in.problem)
        runs: list[tuple[Path, Evidence, Grade]] = []
        try:
            handed_in = open_hand_in(self.batch.exercise, self.hand_in)
            for _ in range(self.batch.repeat):
                runs.append(self._run(handed_in))  # noqa: PERF401 - a run that is kept stays known if the next fails
        except LabError as error:
            return self._keep("not measured", "; ".join(each.what for each in error.problems), runs)
        except OSError as error:  # a full disk, say
            return self._keep("not measured", f"what the run gathers cannot be kept: {error.strerror}", runs)
        verdicts = [*self.earlier, *self._verdicts(runs)]
        return self._keep(*state_of([grade for _, _, grade in runs], verdicts, alone=self.alone), runs)

    def lost(self, why: str) -> Row:
        """What stands for a turn of which nothing was heard."""
        return self._keep("not measured", why)

    def _run(self, handed_in: HandedIn) -> tuple[Path, Evidence, Grade]:
        exercise = redrawn(self.batch.exercise, secrets.token_hex(16), self.batch.variant(self.hand_in.student))
        folder = self.batch.results.folder(self.hand_in.key)
        confirms = folder / self.earlier[-1]["run"] if self.alone and self.earlier else None
        path = pipeline.run(exercise, handed_in, self.batch.runtime, folder, quiet, confirms=confirms)
        try:
            RunDirectory(path).keep_submission(handed_in.files)
        except OSError as error:
            raise LabError(f"what was handed in cannot be kept in {path}: {error.strerror}") from None
        return path, *pipeline.judge(path, own=True)

    def _verdicts(self, runs: Sequence[tuple[Path, Evidence, Grade]]) -> list[dict[str, Any]]:
        folder = self.batch.results.folder(self.hand_in.key)
        return [run_verdicts(os.path.relpath(path, folder), grade, alone=self.alone) for path, _, grade in runs]

    def _keep(self, state: State, why: str, runs: Sequence[tuple[Path, Evidence, Grade]] = ()) -> Row:
        folder = self.batch.results.folder(self.hand_in.key)
        told: dict[str, Any] = {
            "format": FORMAT,
            "key": self.hand_in.key,
            "student": self.hand_in.student,
            "name": self.hand_in.name,
            "members": list(self.hand_in.members),
            "late": self.hand_in.late,
            "submitted": self.hand_in.submitted,
            "submission": {"sha256": self.sha256, "from": [str(part.path) for part in self.hand_in.parts]},
            **self.batch.identity,
            "state": state,
            "why": why,
            "alone": self.alone,
            "runs": [*self.earlier, *self._verdicts(runs)],
        }
        told["attempts"] = [each["run"] for each in told["runs"]]
        if runs:
            told |= judged(*runs[-1], folder, self.hand_in.submitted)
        self.batch.results.keep(told)
        return row_of(told)


def judged(path: Path, evidence: Evidence, grade: Grade, folder: Path, submitted: str = "") -> dict[str, Any]:
    """The part of a result that follows from the run that decides."""
    run = os.path.relpath(path, folder)
    written = evidence.manifest["submission"]
    lines = report_lines(evidence, grade, run, width=_WIDTH, students=True)
    return {
        "grade": {"points": grade.points, "of": grade.of},
        "lateness": lateness(evidence.exercise, submitted, grade.of),
        "verdict": str(grade.outcome),
        "values": dict(evidence.exercise.values),
        "report": report_dict(evidence, grade, run),
        "shown": report_dict(evidence, grade, run, students=True),
        "feedback": [list(line) for line in lines],
        "handed_in": {key: written[key] for key in ("files", "problems", "notes")},
    }


def run_verdicts(run: str, grade: Grade, *, alone: bool) -> dict[str, Any]:
    """A run in brief: whether it could be measured, and what it says of each graded check."""
    return {
        "run": run,
        "alone": alone,
        "timed": grade.timed,
        "measured": grade.outcome is not Outcome.NOT_MEASURED,
        "verdicts": {each.graded.id: str(each.verdict.outcome) for each in grade.results if each.graded.counts},
    }


def state_of(grades: Sequence[Grade], runs: Sequence[Mapping[str, Any]], *, alone: bool) -> tuple[State, str]:
    """What the grades of a turn come to, and why no grade where there is none; `runs` are all, earlier turns' too.

    Every run that could be measured has to say the same, but for those that failed by a time limit beside others.
    """
    for grade in grades:
        if grade.outcome is Outcome.NOT_MEASURED:
            open_ones = [r for r in grade.results if r.graded.counts and r.verdict.outcome is Outcome.NOT_MEASURED]
            seen = f"{open_ones[0].graded.id}: {open_ones[0].verdict.seen}" if open_ones else "the run came to grief"
            return "not measured", seen
    said = [each["verdicts"] for each in runs if each["measured"] and (each["alone"] or not each["timed"])]
    differing = [check for check in said[0] if len({each[check] for each in said}) > 1] if said else []
    if differing:
        told = [f"{check} passed {sum(each[check] == 'passed' for each in said)} of {len(said)}" for check in differing]
        return "differs", f"the runs do not agree: {', '.join(told)}"
    if not alone and any(grade.timed for grade in grades):
        return "timed", "a failure rests on a time limit"
    return "graded", ""


def redrawn(exercise: Exercise, draw: str | None, variant: bytes = NOBODY) -> Exercise:
    """The exercise as it was read, with other drawn values; its files are not read again."""

    def read(name: str) -> bytes:
        if name not in exercise.files:
            raise Refused(f"there is no file {name}")
        return exercise.files[name]

    file = f"{exercise.folder}/exercise.yaml"
    return parse_exercise(
        exercise.source, file, lambda _: exercise.topology, read=read, files=exercise.files, draw=draw, variant=variant
    )

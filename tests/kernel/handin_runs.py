"""Hand-ins run on real networks, for the tests of exercises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lab import pipeline
from lab.catalog import folder as ready_made
from lab.checks.base import Outcome
from lab.console import quiet
from lab.evidence import Evidence
from lab.exercise import Exercise, Step, load_exercise
from lab.exercise.submission import read_submission
from lab.grade import Grade
from lab.runtime import choose

ECHO = ready_made() / "two-lans" / "tcp-echo"
ROUTES = ready_made() / "triangle" / "routes"
HAND_INS = Path(__file__).parents[1] / "handins"
HURRY = 2.0  # seconds; the echo's teacher's client alone may take 1.2 before it closes its side


@dataclass(frozen=True)
class Run:
    """One run of a hand-in, judged."""

    directory: Path
    evidence: Evidence
    grade: Grade

    def ids(self, outcome: Outcome) -> set[str]:
        return {result.graded.id for result in self.grade.results if result.verdict.outcome is outcome}

    @property
    def failed(self) -> set[str]:
        return self.ids(Outcome.FAILED)

    @property
    def root_cause(self) -> str:
        """The kind of the cause that is told first."""
        return self.grade.causes[0].cause.kind if self.grade.causes else ""

    def explain(self) -> str:
        """What an assertion shows when it fails."""
        lines = [f"{r.graded.id}: {r.verdict.outcome}: {r.verdict.seen}" for r in self.grade.results]
        lines += [f"cause {root.cause.kind}: {root.cause.text}" for root in self.grade.causes]
        lines += [
            f"step {s.name}: {s.ended} {s.exit_code} {s.message} {s.stdout[-300:]!r} {s.stderr[-600:]!r}"
            for s in self.evidence.steps.values()
        ]
        lines += [f"gap {gap}" for gap in self.evidence.gaps]
        return "\n".join(lines)


def run(exercise: Exercise, hand_in: Path, runs: Path) -> Run:
    """Run an exercise with a folder that was handed in, and judge it."""
    directory = pipeline.run(exercise, read_submission(exercise, hand_in), choose(None, None, quiet), runs, quiet)
    return Run(directory, *pipeline.judge(directory))


def run_files(exercise: Exercise, files: dict[str, bytes | str], tmp_path: Path) -> Run:
    """Run an exercise with these files handed in."""
    hand_in = tmp_path / "hand-in"
    hand_in.mkdir()
    for name, content in files.items():
        path = hand_in / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return run(exercise, hand_in, tmp_path / "runs")


class Judged:
    """Runs hand-ins, each once: a folder, or the one file that an exercise asks for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[Path, Path, float | None], Run] = {}

    def __call__(self, exercise: Path, hand_in: Path, seconds: float | None = HURRY) -> Run:
        key = exercise, hand_in, seconds
        if key not in self._known:
            folder = self._folder / str(len(self._known))
            loaded = hurried(exercise, seconds) if seconds else load_exercise(exercise)
            if hand_in.is_dir():
                self._known[key] = run(loaded, hand_in, folder)
            else:
                folder.mkdir()
                self._known[key] = run_files(loaded, {loaded.submission.files[0]: hand_in.read_bytes()}, folder)
        return self._known[key]


def hurried(path: Path, seconds: float) -> Exercise:
    """An exercise whose time limits are at most this long, so that those who wait in vain do not take long."""
    exercise = load_exercise(path)

    def shorter(step: Step) -> Step:
        ready = step.ready and replace(step.ready, within=min(step.ready.within, seconds))
        return replace(step, timeout=min(step.timeout, seconds), ready=ready)

    steps = tuple(shorter(step) for step in exercise.steps)
    return replace(exercise, steps=steps, settle=min(exercise.settle, seconds))

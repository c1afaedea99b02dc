"""The runs of a try, side by side: each in a process of its own, none of which outlives the command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab import pipeline
from lab.console import quiet
from lab.errors import LabError, NotMeasuredError
from lab.exercise import Exercise
from lab.pool import carry_out
from lab.runtime.base import Runtime
from lab.trial.assess import Ran, ran, unconfirmed
from lab.trial.hand_ins import HandIn


@dataclass(frozen=True)
class Job:
    """One run of one hand-in; `number` tells jobs apart, `confirms` is the run that it repeats undisturbed."""

    number: int
    exercise: Exercise
    hand_in: HandIn
    runtime: Runtime | None  # None where nothing is run
    runs: Path
    confirms: Ran | None = None

    @property
    def limit(self) -> float | None:
        """The seconds that it may take."""
        return self.exercise.time_limit

    def carry_out(self) -> Ran:
        """Run, judge, and say what came of it."""
        first = self.confirms.directories if self.confirms else ()
        confirms = Path(first[-1]) if first else None
        try:
            path = pipeline.run(
                self.hand_in.meant(self.exercise), self.hand_in.files, self.runtime, self.runs, quiet, confirms=confirms
            )
            _, grade = pipeline.judge(path, own=True)
        except NotMeasuredError as error:
            return Ran(self.hand_in.name, directories=first, problem=error.problems[0].what)
        except LabError as error:
            return Ran(self.hand_in.name, directories=first, problem=str(error))
        return ran(self.hand_in.name, grade, (*first, str(path)), timed=unconfirmed(self.hand_in, grade))

    def lost(self, why: str) -> Ran:
        """What stands for a run of which nothing was heard."""
        return Ran(self.hand_in.name, problem=why)


@dataclass(frozen=True)
class Progress:
    """What happens, as it happens: a job begins, a job is done."""

    begun: Callable[[Job], None]
    done: Callable[[Job, Ran], None]


def try_all(jobs: Sequence[Job], width: int, progress: Progress) -> tuple[Ran, ...]:
    """Carry out all jobs, `width` at a time; then those whose failure rests on a time limit once more, one by one.

    A busy machine must not fail anyone, so nothing runs beside the second run, and it decides. The results come in
    the order of the jobs' numbers. When this is left by an exception (Ctrl-C), no process and no lab stays behind.
    """
    results: dict[int, Ran] = {}

    def done(job: Job, result: Ran) -> None:
        results[job.number] = result
        progress.done(job, result)

    carry_out(jobs, width, progress.begun, done)
    again = [replace(job, confirms=results[job.number]) for job in jobs if results[job.number].timed]
    carry_out(again, 1, progress.begun, done)
    return tuple(results[job.number] for job in jobs)

"""The runs of a try, side by side: each in a process of its own, none of which outlives the command."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from lab import pipeline
from lab.console import quiet
from lab.errors import LabError, NotMeasuredError
from lab.exercise import Exercise
from lab.runtime.base import Runtime
from lab.trial import HandIn, Ran, ran

_HELD = (signal.SIGINT, signal.SIGTERM)
_GRACE = 10.0  # seconds in which a run that is ended closes its lab


@dataclass(frozen=True)
class Job:
    """One run of one hand-in; `confirms` is the run that it repeats undisturbed."""

    exercise: Exercise
    hand_in: HandIn
    runtime: Runtime
    runs: Path
    confirms: Ran | None = None

    def carry_out(self) -> Ran:
        """Run, judge, and say what came of it."""
        first = self.confirms.directories if self.confirms else ()
        confirms = Path(first[-1]) if first else None
        try:
            path = pipeline.run(
                self.exercise, self.hand_in.files, self.runtime, self.runs, quiet, confirms=confirms
            )
            _, grade = pipeline.judge(path)
        except NotMeasuredError as error:
            return Ran(self.hand_in.name, directories=first, problem=error.problems[0].what)
        except LabError as error:
            return Ran(self.hand_in.name, directories=first, problem=str(error))
        return ran(self.hand_in.name, grade, (*first, str(path)), timed=grade.timed)


@dataclass(frozen=True)
class Progress:
    """What happens, as it happens: a job begins, a job is done."""

    begun: Callable[[Job], None]
    done: Callable[[Job, Ran], None]


def try_all(jobs: Sequence[Job], width: int, progress: Progress) -> tuple[Ran, ...]:
    """Carry out all jobs, `width` at a time; then those whose failure rests on a time limit once more, one by one.

    A busy machine must not fail anyone, so nothing runs beside the second run, and it decides. The results come in
    the order of the jobs. When this is left by an exception (Ctrl-C), no process and no lab stays behind.
    """
    results = _side_by_side(jobs, width, progress)
    timed = [index for index, result in enumerate(results) if result.timed]
    again = [replace(jobs[index], confirms=results[index]) for index in timed]
    for index, result in zip(timed, _side_by_side(again, 1, progress), strict=True):
        results[index] = result
    return tuple(results)


def _side_by_side(jobs: Sequence[Job], width: int, progress: Progress) -> list[Ran]:
    results: dict[int, Ran] = {}
    waiting = list(range(len(jobs)))
    running: dict[Connection, tuple[int, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < width:
                index = waiting.pop(0)
                _start(jobs[index], index, running)
                progress.begun(jobs[index])
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                index, process = running.pop(ready)
                results[index] = _result(jobs[index], ready, process)
                progress.done(jobs[index], results[index])
    finally:
        _end([process for _, process in running.values()])
    return [results[index] for index in range(len(jobs))]


def _end(processes: Sequence[BaseProcess]) -> None:
    """End processes that are still at work: they close their labs, and one that does not is killed."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_GRACE)
        process.kill()
        process.join()


def _start(job: Job, index: int, running: dict[Connection, tuple[int, BaseProcess]]) -> None:
    """Start a job's process; a signal that comes meanwhile is held back until it is known here."""
    # The parent has one thread, so a fork is safe, and nothing has to be imported again.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with _signals_held():
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(job, writer, os.getpid()))
        process.start()
        running[reader] = index, process
        writer.close()


@contextmanager
def _signals_held() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(job: Job, writer: Connection, parent: int) -> None:
    """In the job's process: Ctrl-C, which the terminal sends to everybody, is the parent's to handle."""
    if sys.platform == "linux":
        from lab.runtime.netns.syscalls import die_with_parent

        die_with_parent()
        if os.getppid() != parent:
            return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        writer.send(job.carry_out())


def _result(job: Job, reader: Connection, process: BaseProcess) -> Ran:
    try:
        result = reader.recv()
        assert isinstance(result, Ran)
    except EOFError:
        process.join()
        return Ran(job.hand_in.name, problem=f"its process ended ({process.exitcode}) before it told a result")
    finally:
        reader.close()
    process.join()
    return result

"""Work side by side, each piece in a process of its own, none of which outlives the command."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple, Protocol, TypeVar

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

_HELD = (signal.SIGINT, signal.SIGTERM)
_LATE = "it did not end in time"
_GRACE = 10.0  # seconds in which work that is ended closes its lab


class Task(Protocol[R_co]):
    """A piece of work; `limit` seconds after its begin it is ended (None: never)."""

    @property
    def limit(self) -> float | None:
        """The seconds that it may take."""
        ...

    def carry_out(self) -> R_co:
        """Do it, in a process of its own."""
        ...

    def lost(self, why: str) -> R_co:
        """What stands for its result where its process ended without one."""
        ...


class _Running(NamedTuple):
    task: Task[Any]
    process: BaseProcess
    until: float


def carry_out(
    tasks: Iterable[Task[R]], width: int, begun: Callable[[Any], None], done: Callable[[Any, R], None]
) -> None:
    """Carry out all tasks, `width` at a time; `begun` and `done` are told of each as it happens.

    When this is left by an exception (Ctrl-C), no process and no lab stays behind.
    """
    waiting = iter(tasks)
    running: dict[Connection, _Running] = {}
    more = True
    try:
        while more or running:
            while more and len(running) < width:
                task = next(waiting, None)
                if task is None:
                    more = False
                    break
                _start(task, running)
                begun(task)
            for reader in _ready(running):
                task, process, until = running.pop(reader)
                done(task, _result(task, reader, process, late=until <= time.monotonic()))
    finally:
        _end([each.process for each in running.values()])


def _ready(running: dict[Connection, _Running]) -> list[Connection]:
    """Those that have told their result, ended or run out of time, once there are any."""
    if not running:
        return []
    soonest = min(each.until for each in running.values())
    patience = None if soonest == float("inf") else max(0.0, soonest - time.monotonic())
    ready = [each for each in wait(list(running), patience) if isinstance(each, Connection)]
    now = time.monotonic()
    late = [reader for reader, each in running.items() if each.until <= now and reader not in ready]
    _end([running[reader].process for reader in late])
    return [*ready, *late]


def _end(processes: Sequence[BaseProcess]) -> None:
    """End processes that are still at work: they close their labs, and one that does not is killed."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_GRACE)
        process.kill()
        process.join()


def _start(task: Task[Any], running: dict[Connection, _Running]) -> None:
    """Start a task's process; a signal that comes meanwhile is held back until it is known here."""
    # The parent has one thread, so a fork is safe, and nothing has to be imported again.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with _signals_held():
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(task, writer, os.getpid()))
        process.start()
        until = float("inf") if task.limit is None else time.monotonic() + task.limit
        running[reader] = _Running(task, process, until)
        writer.close()


@contextmanager
def _signals_held() -> Iterator[None]:
    if sys.platform == "win32":  # which has none to hold
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(task: Task[Any], writer: Connection, parent: int) -> None:
    """In the task's process: Ctrl-C, which the terminal sends to everybody, is the parent's to handle."""
    if sys.platform == "linux":
        from lab.runtime.netns.syscalls import die_with_parent

        die_with_parent()
        if os.getppid() != parent:
            return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        writer.send(task.carry_out())


def _result(task: Task[R], reader: Connection, process: BaseProcess, *, late: bool) -> R:
    try:
        result: R = reader.recv() if reader.poll() else task.lost(_LATE)
    except (EOFError, OSError):  # nothing, or the half of a result
        process.join()
        result = task.lost(_LATE if late else f"its process ended ({process.exitcode}) before it told a result")
    finally:
        reader.close()
    process.join()
    return result


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Work side by side, each piece in a process of its own, none of which outlives the command."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from lab.errors import LabError

R_co = TypeVar("R_co", covariant=True)
R = TypeVar("R")

_HELD = (signal.SIGINT, signal.SIGTERM)
_LATE = "it did not end in time"
_GRACE = 10.0  # seconds in which work that is ended closes its lab, or a process ends that has told its result …
_GRACE_APART = 1.0  # … and those of work apart, which has no lab


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


@dataclass
class _Running:
    task: Task[Any]
    process: BaseProcess
    until: float
    apart: bool
    over: bool = False


def carry_out(
    tasks: Iterable[Task[R]],
    width: int,
    begun: Callable[[Any], None],
    done: Callable[[Any, R], None],
    *,
    apart: bool = False,
) -> None:
    """Carry out all tasks, `width` at a time; `begun` and `done` are told of each as it happens.

    When this is left by an exception (Ctrl-C), no process and no lab stays behind. Work that is `apart`, as nobody
    knows what it does, has a session of its own, and on Linux a guard: what it has started ends before its result is
    told, on Linux even what has left that session.
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
                _start(task, running, apart)
                begun(task)
            for reader in _ready(running):
                each = running[reader]
                result = _result(each, reader, late=each.until <= time.monotonic())
                del running[reader]
                done(each.task, result)
    finally:
        _end(list(running.values()))


def _ready(running: dict[Connection, _Running]) -> list[Connection]:
    """Those that have told their result, ended or run out of time, once there are any."""
    if not running:
        return []
    soonest = min(each.until for each in running.values())
    patience = None if soonest == float("inf") else max(0.0, soonest - time.monotonic())
    ready = [each for each in wait(list(running), patience) if isinstance(each, Connection)]
    now = time.monotonic()
    late = [reader for reader, each in running.items() if each.until <= now and reader not in ready]
    _end([running[reader] for reader in late])
    return [*ready, *late]


def _end(running: Sequence[_Running]) -> None:
    """End what is still at work: it closes its lab, and what does not is killed."""
    for each in running:
        each.process.terminate()
    for each in running:
        _await_end(each)


def _await_end(each: _Running) -> None:
    """See a process end that has no more to do; one that does not, as for a thread that it left, is killed."""
    if each.over:
        return
    process = each.process
    # Until it is joined, its number is that of no other process and no other group.
    wait([process.sentinel], _GRACE_APART if each.apart else _GRACE)
    if sys.platform == "linux" and each.apart:
        from lab.guard import end_guarded

        end_guarded(process)
    elif sys.platform != "win32" and each.apart and process.pid:
        with suppress(OSError):  # there is nobody left
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()
    each.over = True


def _start(task: Task[Any], running: dict[Connection, _Running], apart: bool) -> None:
    """Start a task's process; a signal that comes meanwhile is held back until it is known here."""
    # The parent has one thread, so a fork is safe, and nothing has to be imported again.
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else None)
    with _signals_held():
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(task, writer, os.getpid(), apart))
        process.start()
        until = float("inf") if task.limit is None else time.monotonic() + task.limit
        running[reader] = _Running(task, process, until, apart)
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


def _work(task: Task[Any], writer: Connection, parent: int, apart: bool) -> None:
    """In the task's process: Ctrl-C, which the terminal sends to everybody, is the parent's to handle."""
    if sys.platform == "linux":
        from lab.guard import fork_guarded
        from lab.runtime.netns.syscalls import die_with_parent

        if apart:
            fork_guarded(parent, writer)
            parent = os.getppid()
        die_with_parent()
        if os.getppid() != parent:
            return
    if apart and sys.platform != "win32":
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt, LabError):  # what cannot be kept here `lost` cannot keep either, and tells
        if sys.platform != "win32":
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
        writer.send(task.carry_out())


def _result(each: _Running, reader: Connection, *, late: bool) -> Any:
    task, process = each.task, each.process
    try:
        result = reader.recv() if reader.poll() else task.lost(_LATE)
    except (EOFError, OSError):  # nothing, or the half of a result
        _await_end(each)
        result = task.lost(_LATE if late else f"its process ended ({process.exitcode}) before it told a result")
    finally:
        reader.close()
    _await_end(each)
    return result


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""What runs where, until when, and how it ended."""

from __future__ import annotations

import functools
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from lab.evidence import Ended, Gap, StepResult, calls_of
from lab.exercise import Exercise, HandedIn, Ready, Step
from lab.gather.faults import Faults
from lab.runtime.base import Limits, LiveLab, Process, Program

_GRACE = 1.0  # seconds between TERM and KILL
_KILL_LIMIT = 10.0  # seconds that the kernel gets to end what was killed
_RECORD = 8 << 20  # bytes of a step's system calls that are kept: some 80,000 calls
_POLL = 0.003  # seconds between two looks at the kernel's sockets
_WHOLE_RECORD = re.compile(rb"\+\+\+ (exited with \d+|killed by \w+(?: \(core dumped\))?) \+\+\+\n\Z")
_MISSED = re.compile(rb"^strace: Stray PTRACE_EVENT_EXEC[^\n]*", re.MULTILINE)  # it was in execve before strace was
_NO_PROGRAM = re.compile(rb"prlimit: failed to execute ([^\n]*?): (No such file or directory|Permission denied)\n?\Z")


@dataclass
class _Running:
    step: Step
    process: Process
    started: int
    ready: bool | None = None
    ended: Ended = "exited"


# What a signal does that ends no program by itself, unless the program wants it to.
_HARMLESS = {signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT, signal.SIGSTOP} if hasattr(signal, "SIGUSR1") else set()


class Marks(NamedTuple):
    """Who is told of endings: `before(name, step, own ports, whether others run beside it)` and `after(step)`."""

    before: Callable[[str, str, list[int] | None, bool], None]
    after: Callable[[str], None]


class Steps:
    """Carries out an exercise's steps on a lab; results come from `results` when all is done.

    `marks` is told right before a step is ended by us, and when it is gone, so that the evidence knows what it had
    done by itself. `run` sets its folders apart from those of earlier runs on the same lab.
    """

    def __init__(
        self,
        lab: LiveLab,
        exercise: Exercise,
        handed_in: HandedIn,
        marks: Marks,
        run: str,
        faults: Faults,
    ) -> None:
        self._lab = lab
        self._exercise = exercise
        self._handed_in = handed_in
        self._marks = marks
        self._run = run
        self._faults = faults
        self._running: dict[str, _Running] = {}
        self._never: dict[str, StepResult] = {}
        self._laid: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Carry out the steps in their order."""
        for step in self._exercise.steps:
            self._stop_nodes(self._faults.before(step.name))
            if step.wait is not None:
                self._await([name for name in step.wait if name in self._running], step.timeout)
            elif step.stop is not None:
                self._stop(step)
            elif step.run is not None:
                self._start(step)
            self._stop_nodes(self._faults.after(step.name))

    def _stop_nodes(self, nodes: Sequence[str]) -> None:
        """Kill the programs of nodes that fail; their links are cut already, so nothing of their end gets out."""
        for running in self._running.values():
            if running.step.node in nodes and running.process.exit_code is None:
                self._mark(running, f"stop of node {running.step.node}")
                running.process.signal(signal.SIGKILL, tree=True)
                self._lab.wait(functools.partial(_has_ended, running.process), _KILL_LIMIT)
                self._marks.after(running.step.name)
                running.ended = "stopped"

    def tend(self) -> bool:
        """End what programs have left running when they ended; whether there was anything.

        Their sockets are open until then, and closed by the kernel: that counts for nobody.
        """
        left = [running for running in self._running.values() if running.process.left]
        for running in left:
            ended = "memory limit" if running.process.exceeded else "end"
            self._mark(running, f"{ended} of {running.step.name}")
            running.process.left = False
            running.process.signal(signal.SIGKILL, tree=True)
            self._lab.wait(functools.partial(_has_ended, running.process), _KILL_LIMIT)
            self._marks.after(running.step.name)
        return bool(left)

    def _wait(self, done: Callable[[], bool], timeout: float, poll: float | None = None) -> bool:
        """Wait as `LiveLab.wait` does; meanwhile end what programs leave, and stop the nodes whose moment has come."""
        deadline = time.monotonic() + timeout
        stopping: list[str] = []
        if self._faults.awaited:
            poll = poll or _POLL

        def stirs() -> bool:
            self.tend()
            stopping.extend(self._faults.stopping() if self._faults.awaited else ())
            return bool(stopping) or done()

        while self._lab.wait(stirs, max(0.0, deadline - time.monotonic()), poll) and stopping:
            self._stop_nodes(stopping)
            stopping.clear()
        return done()

    def _start(self, step: Step) -> None:
        assert step.node is not None
        assert step.run is not None
        if step.code == "submission" and self._handed_in.lacking:
            never = StepResult(step.name, step.node, "not started", message=self._handed_in.lacking)
            self._never[step.name] = never
            return
        folder = self._folder(step)
        program = Program(
            node=step.node,
            argv=step.run,
            folder=folder,
            env=dict(step.env),
            stdin=step.stdin or None,
            mounts=step.mounts,
            privilege=step.privilege,
            record=_RECORD if step.calls else 0,
            lingers=True,
            handed_in=step.code == "submission",
        )
        running = _Running(step, self._lab.start(program), time.time_ns())
        self._running[step.name] = running
        if step.ready is not None:
            running.ready = self._become_ready(running, step.ready)
        if not step.background:
            self._await([step.name], step.timeout)

    def _folder(self, step: Step) -> str | None:
        """The step's folder on its node, with its code laid into it once."""
        if step.code is None:
            return None
        name = "submission" if step.code == "submission" else "files " + "\0".join(step.code)
        assert step.node is not None
        if (step.node, name) not in self._laid:
            code = (
                self._handed_in.files
                if step.code == "submission"
                else {file: self._exercise.files[file] for file in step.code}
            )
            self._lab.put(step.node, f"{self._run} {name}", code)
            self._laid.add((step.node, name))
        return f"{self._run} {name}"

    def _become_ready(self, running: _Running, ready: Ready) -> bool:
        """Wait until a background step is ready, or can no longer become so."""
        process, node = running.process, running.step.node
        pattern = re.compile(ready.output.encode(), re.MULTILINE) if ready.output else None

        def is_ready() -> bool:
            if pattern is not None:
                return bool(pattern.search(process.stdout.data))
            assert node is not None
            sockets = self._lab.state([node], sockets_only=True)[node]["sockets"]
            return any(_listens(found, ready) for found in sockets)

        self._wait(lambda: is_ready() or process.exit_code is not None, ready.within, _POLL)
        return is_ready()

    def _await(self, names: list[str], timeout: float) -> None:
        """Wait until programs have ended by themselves; at the limit they are ended."""
        waited = [self._running[name] for name in names]
        self._wait(lambda: all(running.process.exit_code is not None for running in waited), timeout)
        for running in waited:
            if running.process.exit_code is None:
                self._mark(running, f"time limit of {running.step.name}")
                self._end(running, "timed out")

    def _stop(self, step: Step) -> None:
        assert step.stop is not None
        running = self._running.get(step.stop.step)
        if running is None or running.process.exit_code is not None:
            return
        number = signal.Signals[f"SIG{step.stop.signal}"]
        if number in _HARMLESS:
            running.process.signal(number, tree=True)
            return
        self._mark(running, f"stop of {running.step.name}")
        running.process.signal(number, tree=True)
        if not self._is_gone(running.process, step.timeout):
            self._end(running, "stopped")
        else:
            self._marks.after(running.step.name)
        running.ended = "stopped"

    def _mark(self, running: _Running, name: str) -> None:
        """Have it noted what the program had done before it is ended, and which sockets are its own."""
        beside = any(
            other is not running and other.step.node == running.step.node and other.process.exit_code is None
            for other in self._running.values()
        )
        self._marks.before(name, running.step.name, running.process.ports(), beside)

    def _end(self, running: _Running, how: Ended) -> None:
        """End a program and everything that it started: TERM, then KILL."""
        process = running.process
        process.signal(signal.SIGTERM, tree=True)
        if not self._is_gone(process, _GRACE):
            process.signal(signal.SIGKILL, tree=True)
            self._lab.wait(lambda: process.exit_code is not None, _KILL_LIMIT)
        self._marks.after(running.step.name)
        running.ended = how

    def _is_gone(self, process: Process, timeout: float) -> bool:
        """Wait until a signal has ended a program, and end what that leaves; whether it did."""
        self._lab.wait(lambda: process.left or process.exit_code is not None, timeout)
        if process.left:
            process.signal(signal.SIGKILL, tree=True)
            self._lab.wait(functools.partial(_has_ended, process), _KILL_LIMIT)
        return process.exit_code is not None

    def finish(self) -> None:
        """End what still runs in the background, its normal end, and read all output to its end."""
        alive = [running for running in self._running.values() if running.process.exit_code is None]
        for running in alive:
            running.process.signal(signal.SIGKILL, tree=True)
            running.ended = "killed"
        everyone = self._running.values()
        self._lab.wait(lambda: not any(running.process.running for running in everyone), _KILL_LIMIT)

    def gaps(self) -> Iterator[Gap]:
        """What our own sandbox could not do: nobody's program is to blame for that."""
        for name, running in self._running.items():
            if not running.process.began:
                said = running.process.stderr.data.decode(errors="replace").strip()
                yield Gap(f"the sandbox of step {name} could not be made: {said}", "", "lab")
            elif running.process.calls is not None:
                yield from _record_gaps(running)

    def results(self) -> dict[str, StepResult]:
        """How every program went, in the order of the steps."""
        found = self._never | {name: _result(running) for name, running in self._running.items()}
        return {step.name: found[step.name] for step in self._exercise.steps if step.name in found}


def _record_gaps(running: _Running) -> Iterator[Gap]:
    """What the record of a step's system calls lacks. It ends with the end of the last process."""
    record = running.process.calls
    assert record is not None
    name = running.step.name
    if record.lost:
        owner: Literal["lab", "submission"] = "submission" if running.step.code == "submission" else "lab"
        what = f"step {name} made more system calls than are kept: {record.lost} bytes of their record are missing"
        yield Gap(what, calls_of(name), owner)
    elif missed := _MISSED.search(record.data):
        what = f"the record of the system calls of step {name} begins too late: {missed[0].decode(errors='replace')}"
        yield Gap(what, calls_of(name), "lab")
    elif not _WHOLE_RECORD.search(record.data):
        said = bytes(record.data)
        why = said.decode(errors="replace").strip() if said.startswith((b"lab:", b"strace:")) else "it breaks off"
        yield Gap(f"there is no whole record of the system calls of step {name}: {why}", calls_of(name), "lab")


def _listens(found: Mapping[str, object], ready: Ready) -> bool:
    if ready.tcp is not None:
        return found["protocol"] == "tcp" and found["state"] == "LISTEN" and found["port"] == ready.tcp
    return found["protocol"] == "udp" and found["port"] == ready.udp


def _result(running: _Running) -> StepResult:
    process, step = running.process, running.step
    assert step.node is not None
    result = StepResult(
        name=step.name,
        node=step.node,
        ended=running.ended,
        ready=running.ready,
        started=running.started,
        finished=process.ended_at,
        stdout=bytes(process.stdout.data),
        stderr=bytes(process.stderr.data),
        stdout_lost=process.stdout.lost,
        stderr_lost=process.stderr.lost,
        calls=None if process.calls is None else bytes(process.calls.data),
    )
    if process.exceeded:
        most = Limits().memory >> 20
        return replace(result, ended="over limit", message=f"more than {most} MiB of memory with all that it started")
    code = process.exit_code
    absent = _NO_PROGRAM.search(result.stderr) if code in (1, 126, 127) else None
    if absent:
        name = absent[1].decode(errors="replace")
        return replace(result, ended="not started", stderr=b"", message=f"there is no program {name} to run")
    if running.ended != "exited":
        return result
    return replace(result, exit_code=code, signal=_signal(code))


def _has_ended(process: Process) -> bool:
    return process.exit_code is not None


def _signal(code: int | None) -> str | None:
    """The signal behind a shell-like exit code, for the sandbox hands a signal on as 128 + n."""
    if code is None or code <= 128:
        return None
    try:
        return signal.Signals(code - 128).name
    except ValueError:
        return None

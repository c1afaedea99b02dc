"""An exercise as it was written, frozen and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lab.exercise.faults import Fault
from lab.exercise.late import Late
from lab.topology.model import Topology

if TYPE_CHECKING:
    from lab.checks.base import Check


@dataclass(frozen=True)
class Ready:
    """When a background step counts as ready: a listener on a port, or a line of output; `within` in seconds."""

    within: float
    tcp: int | None = None
    udp: int | None = None
    output: str | None = None  # a regular expression, searched in stdout


@dataclass(frozen=True)
class Stop:
    """Ends the named step by a signal."""

    step: str
    signal: str = "TERM"


@dataclass(frozen=True)
class Step:
    """Something that happens on a node: a program is run, others are waited for, or one is stopped.

    Exactly one of `run`, `wait` and `stop` is set. `timeout` in seconds. `code` is the submission, the
    teacher's files (names beside the exercise) or nothing; steps of equal code on a node share a folder.
    """

    name: str
    node: str | None
    run: tuple[str, ...] | None = None
    code: Literal["submission"] | tuple[str, ...] | None = None
    background: bool = False
    stdin: bytes = b""
    env: tuple[tuple[str, str], ...] = ()
    timeout: float = 10.0
    ready: Ready | None = None
    wait: tuple[str, ...] | None = None
    stop: Stop | None = None
    mounts: tuple[str, ...] = ()
    privilege: Literal["net-raw", "net-admin"] | None = None
    calls: bool = False  # whether its system calls are recorded


@dataclass(frozen=True)
class Graded:
    """A check in an exercise: what is asked, what it is worth, and how it is shown."""

    id: str
    check: Check
    points: float = 0
    needs: tuple[str, ...] = ()
    hint: str = ""
    visible: bool = True

    @property
    def counts(self) -> bool:
        """Whether it is graded; a check without points is shown as evidence only."""
        return self.points > 0


@dataclass(frozen=True)
class Submission:
    """What is handed in: program files, or routes in the grammar of a topology's `routes:`."""

    files: tuple[str, ...] = ()
    routes: str | None = None


@dataclass(frozen=True)
class Exercise:
    """A checked exercise, whole: `files` holds every file that it names (the teacher's programs, payloads)."""

    name: str
    topology: Topology
    steps: tuple[Step, ...]
    checks: tuple[Graded, ...]
    title: str = ""
    values: Mapping[str, str | int] = field(default_factory=dict)
    drawn: tuple[str, ...] = ()  # the values that are not the same in every run or for every student
    individual: tuple[str, ...] = ()  # those of them that each student has for their own
    submission: Submission = Submission()
    faults: tuple[Fault, ...] = ()
    late: Late | None = None
    capture: tuple[str, ...] | None = None  # capture points; all of them by default
    unverified: bool = False  # the captures are the student's own, handed in
    settle: float = 2.0  # seconds that connections get to close after the last step
    files: Mapping[str, bytes] = field(default_factory=dict)
    source: str = ""  # the file's text
    folder: str = ""  # where it was read from, for messages

    @property
    def runs_submission(self) -> bool:
        """Whether a student's program runs, which may do anything."""
        return any(step.code == "submission" for step in self.steps)

    @property
    def time_limit(self) -> float:
        """Seconds after which one run has gone wrong: twice what its parts may take, and time for a lab."""
        steps = sum(step.timeout + (step.ready.within if step.ready else 0) for step in self.steps)
        checks = sum(getattr(each.check, "timeout", 0) for each in self.checks)  # the teacher's functions
        return 120 + 2 * (steps + self.settle + checks)

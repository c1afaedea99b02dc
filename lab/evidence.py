"""What was gathered in a run, read back from its directory: the ground that every verdict stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lab.exercise import Exercise
from lab.plan import Plan
from lab.trace.packets import Packet

FORMAT = 1

Ended = Literal["exited", "timed out", "stopped", "killed", "over limit", "not started", "not sandboxed"]


@dataclass(frozen=True)
class Gap:
    """Something that the evidence lacks, and whose doing that is."""

    what: str
    where: str  # a capture point, a step, or "" for the run as a whole
    owner: Literal["lab", "submission"]


@dataclass(frozen=True)
class Mark:
    """A moment, told as the number of frames that each capture point had seen by then.

    `step` is set when the mark was made because that step was about to be ended by us: no later frame of its
    node's open conversations counts for it. `ports` are then the local ports of its own sockets (None: not known),
    `ended` the frames by the time when it was really gone, and `beside` whether other programs ran on its node
    meanwhile. The mark named "end" closes the judged phase.
    """

    name: str
    frames: Mapping[str, int]
    step: str | None = None
    ports: tuple[int, ...] | None = None
    ended: Mapping[str, int] | None = None
    beside: bool = False


@dataclass(frozen=True)
class StepResult:
    """How a step went; times in nanoseconds since 1970, 0 where it never came to that.

    `ended` tells who ended it: "exited" by itself (with `exit_code`, or `signal` by its name), "timed out" at its
    time limit, "stopped" by a stop step, "killed" at the end of the run (a background step: the normal end), "over
    limit" by the watchdog (`message` says of what it had too much), "not started" (`message` says why). `ready` is None
    where no readiness was asked for.
    """

    name: str
    node: str
    ended: Ended
    exit_code: int | None = None
    signal: str | None = None
    ready: bool | None = None
    started: int = 0
    finished: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_lost: int = 0  # bytes beyond the limit that was kept
    stderr_lost: int = 0
    message: str = ""
    calls: bytes | None = None  # the record of its system calls as strace writes it, where that was asked for


def calls_of(step: str) -> str:
    """The place of a gap in the record of a step's system calls: it spoils nothing else that the step did."""
    return f"calls of {step}"


@dataclass(frozen=True)
class Probe:
    """One try of ours to reach something, made after settling; `answer` in the kernel's words.

    `sent` proves that it was really tried. `answer` is "reply", "refused", "unreachable" or "silence";
    `error` is the errno's name where the kernel gave one.
    """

    check: str
    node: str
    to: str
    protocol: Literal["icmp", "tcp", "udp"]
    port: int | None
    sent: int
    answer: Literal["reply", "refused", "unreachable", "silence"]
    error: str = ""


@dataclass(frozen=True)
class Capture:
    """The frames of one capture point, in their order; `end` is how many had come by the end mark.

    `packets` holds all of them, `judged` only those that count.
    """

    point: str
    packets: tuple[Packet, ...]
    end: int

    @property
    def judged(self) -> tuple[Packet, ...]:
        """The packets up to the end mark."""
        return self.packets[: self.end]


@dataclass(frozen=True)
class Evidence:
    """One run, whole. `states` is phase → node → the kernel's addresses, routes, neighbours, sockets and sysctls.

    The phases are "before" and "after" the steps, and "settled".
    """

    plan: Plan
    exercise: Exercise
    captures: Mapping[str, Capture]
    steps: Mapping[str, StepResult]
    marks: tuple[Mark, ...] = ()
    probes: tuple[Probe, ...] = ()
    gaps: tuple[Gap, ...] = ()
    states: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    manifest: Mapping[str, Any] = field(default_factory=dict)
    handed_in: tuple[str, ...] = ()  # what is wrong with the submission itself
    submission: Mapping[str, bytes] = field(default_factory=dict)  # the files of it that checks read
    own: bool = False  # gathered just now from the teacher's own exercise, whose functions may therefore be run

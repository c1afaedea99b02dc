"""What a runtime has to offer: all that the rest knows of it. `tests/contract` holds each runtime to this."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from lab.errors import LabError, Problem

if TYPE_CHECKING:  # a container's agent knows limits, but has no parser of plans
    from lab.plan import Plan

Kind = Literal["step", "admin", "tool"]
Privilege = Literal["net-raw", "net-admin"]
CAPABILITIES: dict[str, int] = {"net-raw": 13, "net-admin": 12}  # the number of each in <linux/capability.h>


@dataclass(frozen=True)
class Limits:
    """What one step may use: counts for processes and descriptors, bytes for a file.

    `memory` is in bytes, of each process and of all of a step together; files in its folders are bounded apart.
    """

    processes: int = 128
    descriptors: int = 1024
    memory: int = 1 << 30
    file_size: int = 64 << 20
    cpu_seconds: int = 600


@dataclass(frozen=True)
class Program:
    """A program to be run on a node.

    A "step" runs in a sandbox, in the writable `folder` of its node, with `mounts` readable beside it. An "admin"
    runs as the node's administrator. A "tool" of ours runs in the node's network but out of the sight of its programs.
    """

    node: str
    argv: Sequence[str]
    kind: Kind = "step"
    folder: str | None = None
    env: Mapping[str, str] | None = None
    stdin: bytes | int | None = None  # its content, or a descriptor; nothing (end of file at once) where None
    stdout: int | None = None  # a descriptor; kept in `Process.stdout` where None
    stderr: int | None = None
    keep: int = 1 << 20  # bytes of each output that are kept
    mounts: Sequence[str] = ()
    limits: Limits = Limits()
    cwd: str | None = None
    file_size: int = 0  # bytes that a tool may write to a file, its standard output too; 0 for no bound
    terminal: bool = False  # `stdin` becomes the controlling terminal of a new session
    privilege: Privilege | None = None  # of a step, in its node's network alone
    lingers: bool = False  # what a step leaves running when it ends waits, stopped, to be ended by a signal to its tree
    handed_in: bool = False  # a student's, which goes first should memory run out
    record: int = 0  # bytes of a step's system calls that are kept; 0 where they are not recorded


class Output(Protocol):
    """What a program has written so far, `lost` bytes beyond the limit not kept."""

    data: bytearray
    lost: int


class Process(Protocol):
    """A started program. `exit_code` is 128 + n after signal n; `ended_at` in nanoseconds since 1970, 0 before.

    `left` holds while one that `lingers` has ended of itself, or by `exceeded`, and others wait to be ended: nothing of
    it runs any more, and its sockets are still open. `exceeded` tells that it had more memory than it may.
    """

    exit_code: int | None
    ended_at: int
    left: bool
    exceeded: bool
    began: bool  # false where its sandbox could not be made: an ended program that never ran

    @property
    def stdout(self) -> Output:
        """What it wrote to standard output."""
        ...

    @property
    def stderr(self) -> Output:
        """What it wrote to standard error."""
        ...

    @property
    def calls(self) -> Output | None:
        """The record of its system calls, as strace writes it; None where that was not asked for."""
        ...

    @property
    def running(self) -> bool:
        """Whether it has not ended, or not all of its output has been read."""
        ...

    def signal(self, number: int, *, tree: bool = False) -> None:
        """Send a signal to the program, or to everything it has started too."""
        ...

    def ports(self) -> list[int] | None:
        """The local ports of the sockets that a step's programs hold now; None where that cannot be told."""
        ...


class LiveLab(Protocol):
    """A lab that is up."""

    name: str
    plan: Plan

    def put(self, node: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Lay files (relative path → content) into a node's writable folder, made where it is missing."""
        ...

    def start(self, program: Program) -> Process:
        """Start a program; raises LabError when it cannot be started."""
        ...

    def wait(self, done: Callable[[], bool], timeout: float, poll: float | None = None) -> bool:
        """Serve programs and their output until `done()` holds or `timeout` seconds are over; whether it held.

        `done` is asked after every event, and every `poll` seconds where it depends on more than events.
        """
        ...

    def state(self, nodes: Iterable[str], *, sockets_only: bool = False) -> dict[str, Any]:
        """Addresses, routes, neighbours, sockets and sysctls of nodes, as their kernel has them."""
        ...

    def probe(self, node: str, to: str, protocol: str, port: int | None, timeout: float) -> dict[str, Any]:
        """Try to reach an address from a node: what was sent, what came back (see `lab.evidence.Probe`)."""
        ...

    def relay(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Change links, set faults, and tell what became of frames (see `lab.runtime.relay`).

        An order may have `networks`, those that it is about; `links`, by network what `lab.topology.links` writes;
        `rules`, instead of those before, each with `id`, `network`, `action`, `packets` (a filter), `nth`, and where
        the action needs them `seconds` and `points`; `cut` (capture points; for `seconds` if given) and `restore`. The
        answer tells `networks` (each one's `link` and `ports`), `rules` (how many frames each has `seen`, when it
        `struck`), and how many frames are `waiting` and were `dropped`.
        Raises NotMeasuredError where the relay cannot do it, or is gone.
        """
        ...

    def troubles(self) -> list[str]:
        """What of the lab itself has failed since it came up, such as the program of a node's own image."""
        ...

    def close(self) -> None:
        """Let go of the lab; one that was not told to last ends with this."""
        ...


@dataclass(frozen=True)
class LabInfo:
    """A lab of this user that is up; `started` in seconds since 1970."""

    name: str
    runtime: str
    source: str
    nodes: int
    started: float
    pid: int | None = None


_LAB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}")


def lab_name(name: str) -> str:
    """The name of a lasting lab, if it can be one: it becomes a folder's name and part of containers' names."""
    if not _LAB_NAME.fullmatch(name):
        hint = "letters, digits, - and _, at most 41, a letter or digit first"
        raise LabError(f"a lab cannot be called {name!r}", hint=hint)
    return name


class Runtime(Protocol):
    """A way to bring labs up on this machine."""

    name: str
    memory_bound: str  # what bounds the memory of a step with all that it started, in words for a report

    def problems(self) -> list[Problem]:
        """Why it cannot work here; empty where it can."""
        ...

    def up(self, plan: Plan, *, name: str | None = None, source: str = "", say: Callable[[str], None]) -> LiveLab:
        """Bring a lab up: one with a name lasts until `down`, one without ends with `close` or with this process."""
        ...

    def labs(self) -> list[LabInfo]:
        """The lasting labs of this user; what dead ones left behind is cleared."""
        ...

    def open(self, name: str) -> LiveLab:
        """Enter a lasting lab; raises LabError where none has that name."""
        ...

    def down(self, name: str) -> bool:
        """End a lasting lab and wait until nothing of it is left; whether there was one."""
        ...

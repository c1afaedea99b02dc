"""A program that a keeper has started, and what its sandbox tells of it."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass

from lab.runtime.netns import processes
from lab.runtime.netns.channel import Channel

_PID_NAMESPACE = re.compile(r'"pid-namespace": (\d+)')


@dataclass
class Started:
    """A program that was started over a connection.

    One that `lingers` is not done when its first process ends: what that has left running is stopped, and waits until
    it is ended. The `owner` is told, and can take note of it before the kernel closes what these still hold.
    """

    pid: int
    owner: Channel
    node: str
    status: int | None  # where its sandbox tells of itself
    sandboxed: bool = False
    lingers: bool = False
    memory: int = 0  # bytes that it may have with all that it started
    told: str = ""
    pin: int | None = None  # a descriptor of its PID namespace: while it is open no other gets that number
    record: tuple[int, int] | None = None  # where its system calls go to, and what releases it, until that is done
    ended: int | None = None  # how its first process ended, while others are left
    exceeded: bool = False

    def hear(self) -> str:
        """What its sandbox has told of itself so far: its namespaces, and in the end its program's exit code."""
        if self.status is not None:
            with contextlib.suppress(BlockingIOError):
                self.told += os.read(self.status, 4096).decode(errors="replace")
        return self.told

    def namespace(self) -> int | None:
        """The number of the PID namespace of a step's sandbox, as soon as there is one."""
        found = _PID_NAMESPACE.search(self.told) or _PID_NAMESPACE.search(self.hear())
        if found is None:
            return None
        namespace = int(found[1])
        if self.pin is None:
            self.pin = processes.pin(namespace)
        return namespace

    def let_go(self) -> None:
        """Let go of what recording takes: the record ends with strace, and a waiting sandbox goes on."""
        for fd in self.record or ():
            os.close(fd)
        self.record = None

    def stop(self) -> bool:
        """Stop all of it where it stands; whether there was anything to stop."""
        namespace = self.namespace()
        return namespace is not None and processes.stop_namespace(namespace)

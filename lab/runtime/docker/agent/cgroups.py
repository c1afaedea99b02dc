"""Control groups: a program started from the helper has to count as its node's, whose limits the Engine has set."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from lab.runtime.netns.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount

_PLACE = Path("/run/lab-cgroups")
_LIMITING = {"memory", "pids", "cpu"}
_ENDED = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


def tasks_of(pid: int) -> list[int]:
    """Descriptors of the files to which a process writes 0 to join the groups of process `pid`."""
    return [os.open(tasks, os.O_WRONLY | os.O_CLOEXEC) for tasks in _of(pid, "cgroup.procs")]


def ended_for_memory(pid: int) -> int:
    """How many processes the kernel has ended so far, because the groups of process `pid` were full."""
    counts = [*_of(pid, "memory.events"), *_of(pid, "memory.oom_control")]  # of version 2, or of version 1
    return sum(int(ended) for each in counts for ended in _ENDED.findall(each.read_text()))


def _of(pid: int, name: str) -> Iterator[Path]:
    """The files of that name in the groups of a process, where there are any."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or _LIMITING & set(controllers.split(",")):
            file = _mounted(controllers) / path.lstrip("/") / name
            if file.exists():
                yield file


def join(tasks: list[int]) -> None:
    """Move the calling process."""
    for fd in tasks:
        os.write(fd, b"0")


def _mounted(controllers: str) -> Path:
    """Where a hierarchy is mounted; v2's has no controllers in its name."""
    place = _PLACE / (controllers or "unified")
    if not place.is_dir():
        place.mkdir(parents=True)
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        if controllers:
            mount("cgroup", str(place), "cgroup", flags, controllers)
        else:
            mount("cgroup2", str(place), "cgroup2", flags)
    return place

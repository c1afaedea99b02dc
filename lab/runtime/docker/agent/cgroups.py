"""Control groups: a program started from the helper has to count as its node's, whose limits the Engine has set."""

from __future__ import annotations

import os
from pathlib import Path

from lab.runtime.netns.syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, mount

_PLACE = Path("/run/lab-cgroups")
_LIMITING = {"memory", "pids", "cpu"}


def tasks_of(pid: int) -> list[int]:
    """Descriptors of the files to which a process writes 0 to join the groups of process `pid`."""
    found = []
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and not _LIMITING & set(controllers.split(",")):
            continue
        tasks = _mounted(controllers) / path.lstrip("/") / "cgroup.procs"
        if tasks.exists():
            found.append(os.open(tasks, os.O_WRONLY | os.O_CLOEXEC))
    return found


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

"""How much memory a program and all that it started have, where no control group counts it for us.

Every limit of a process is its own, so many together could take any amount. A watchdog sums up instead: their own
memory, what several have of it since a fork counted once (proc_pid_smaps(5), Pss_Anon), anonymous mappings that are
shared, and the buffers of sockets. What would show nowhere is refused (see `lab.runtime.netns.seccomp`); files in a
step's own folders are bounded by their file systems.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lab.runtime.netns.seccomp import SHARED_MAPPING

PERIOD = 0.1  # seconds between two looks, at least
PATIENCE = 10  # a look may take this part of the time between two
_MANY_DESCRIPTORS = 2048
_BUFFERS = 208 << 10  # bytes that a socket's buffers hold by default (net.core.wmem_default)
_OWN = re.compile(r"^Pss_Anon: +(\d+) kB", re.MULTILINE)
_SHARED = re.compile(r"^\S+ ...s \S+ \S+ (\d+) +/dev/zero", re.MULTILINE)  # how the kernel calls anonymous ones


def exceeds(processes: Sequence[int], limit: int) -> bool:
    """Whether these processes have more than `limit` bytes together."""
    shared = mapped(processes) + buffers(processes, limit)
    return shared + private(processes, limit - shared) > limit


def private(processes: Iterable[int], enough: int) -> int:
    """Bytes of memory of their own; a quick sum that counts some of it several times will do below `enough`."""
    found = 0
    for process in processes:
        with contextlib.suppress(OSError, IndexError):
            _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_text().split()
            found += (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
    if found <= enough:
        return found
    found = 0
    for process in processes:
        with contextlib.suppress(OSError):
            own = _OWN.search(Path(f"/proc/{process}/smaps_rollup").read_text())
            found += int(own[1]) << 10 if own else 0
    return found


def mapped(processes: Iterable[int]) -> int:
    """Bytes that anonymous shared mappings may hold: a page that was filled stays when it is unmapped, unseen."""
    mappings: set[str] = set()
    for process in processes:
        with contextlib.suppress(OSError):
            mappings.update(_SHARED.findall(Path(f"/proc/{process}/maps").read_text(errors="replace")))
    return len(mappings) * SHARED_MAPPING


def buffers(processes: Iterable[int], enough: int) -> int:
    """Bytes that the buffers of sockets may hold, counted until they are above `enough`; 0 of few descriptors."""
    listed: dict[int, list[str]] = {}
    for process in processes:
        with contextlib.suppress(OSError):
            listed[process] = os.listdir(f"/proc/{process}/fd")
    if sum(map(len, listed.values())) < _MANY_DESCRIPTORS:
        return 0
    sockets: set[str] = set()
    for process, descriptors in listed.items():
        for descriptor in descriptors:
            with contextlib.suppress(OSError):
                target = os.readlink(f"/proc/{process}/fd/{descriptor}")
                if target.startswith("socket:"):
                    sockets.add(target)
            if len(sockets) * _BUFFERS > enough:  # the rest would take a second, and more memory meanwhile
                return len(sockets) * _BUFFERS
    return len(sockets) * _BUFFERS

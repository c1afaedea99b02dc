"""Whether the `lab` that was bringing a lab up still lives: what one leaves half made may be cleared, no other's."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def identity() -> str:
    """This process as text: its machine since its last start, its PID, when it started."""
    return f"{_machine()} {os.getpid()} {_started(os.getpid())}"


def lives(text: str) -> bool:
    """Whether the process of an `identity` lives; one of another machine, or on Windows, is said to."""
    machine, _, rest = text.partition(" ")
    if machine != _machine():
        return not machine.startswith(platform.node() + "/")  # this machine before its last start: surely gone
    if os.name != "posix":
        return True
    pid, _, started = rest.partition(" ")
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return _started(int(pid)) == started


def _machine() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id")
    return f"{platform.node()}/{boot.read_text().strip() if boot.exists() else ''}"


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; nothing where only Linux would tell."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if after_name[0] in "ZX" else after_name[19]

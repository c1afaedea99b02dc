"""Process trees of a lab, as its keeper sees them in /proc, and what is laid into their folders."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from lab.runtime.netns.syscalls import CLONE_NEWPID, unshare


def new_pid_namespace() -> None:
    """Let the next child be the first process of a PID namespace of its own."""
    unshare(CLONE_NEWPID)


def tree(root: int) -> Iterator[int]:
    """A process and all that it started, daemons included as long as the sandbox's first process lives."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int(Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry))
    waiting = [root]
    while waiting:
        process = waiting.pop()
        yield process
        waiting.extend(children.get(process, ()))


def end_tree(root: int, number: int) -> None:
    """Send a signal to a whole tree; bubblewrap itself only gets SIGKILL, or it would take the rest with it at once."""
    for process in tree(root):
        if number == signal.SIGKILL or not _is_sandbox(process):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)


def _is_sandbox(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path("/proc", str(process), "comm").read_text() == "bwrap\n"
    return False


def members(namespace: int) -> Iterator[int]:
    """Every process in a PID namespace, by the namespace's inode number."""
    wanted = f"pid:[{namespace}]"
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{entry}/ns/pid") == wanted:
                    yield int(entry)


def pin(namespace: int) -> int | None:
    """A descriptor that keeps a PID namespace's number from being given to another; None where all in it are gone."""
    for process in members(namespace):
        with contextlib.suppress(OSError):
            fd = os.open(f"/proc/{process}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            if os.fstat(fd).st_ino == namespace:
                return fd
            os.close(fd)
    return None


def end_namespace(namespace: int) -> None:
    """Kill every process of a sandbox, whatever it has made of its parents and of the sandbox's first process."""
    for process in members(namespace):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def stop_namespace(namespace: int) -> bool:
    """Stop every process of a sandbox but its first, which only waits for the others; whether there was one."""
    stopped: set[int] = set()
    while found := {process for process in members(namespace) if not _is_first(process)} - stopped:
        for process in found:  # one that forks meanwhile is seen the next time
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGSTOP)
        stopped |= found
    return bool(stopped)


def _is_first(process: int) -> bool:
    """Whether a process is the first of its PID namespace; true of one that is gone."""
    try:
        status = Path("/proc", str(process), "status").read_text()
    except OSError:
        return True
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines())


def ports(namespace: int, sockets: Iterable[dict[str, Any]]) -> list[int]:
    """The local ports of those of a node's sockets that a sandbox holds: by inodes, which only the kernel gives out."""
    own = _socket_inodes(namespace)
    return sorted({each["port"] for each in sockets if each["inode"] in own and each["port"]})


def _socket_inodes(namespace: int) -> set[int]:
    """The sockets that the processes of a sandbox hold."""
    found: set[int] = set()
    for process in members(namespace):
        with contextlib.suppress(OSError):
            for descriptor in os.listdir(f"/proc/{process}/fd"):
                with contextlib.suppress(OSError):
                    target = os.readlink(f"/proc/{process}/fd/{descriptor}")
                    if target.startswith("socket:["):
                        found.add(int(target[8:-1]))
    return found


def lay(folder: Path, files: Sequence[tuple[str, int]], content: BinaryIO) -> None:
    """Write files (relative path, size) whose bytes follow each other in `content`; nothing that exists is touched."""
    for name, size in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o755)
        with open(fd, "wb") as file:
            file.write(content.read(size))

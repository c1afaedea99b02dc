"""Records the system calls of a step: strace, attached from outside the sandbox before the program in it begins.

The sandbox waits for a byte. It gets that once the kernel names strace as its tracer and strace waits for it, so no
call of the program is missed; strace itself lives where the program has no name for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import time
from pathlib import Path
from typing import NoReturn

from lab.runtime.netns import sandbox
from lab.runtime.netns.syscalls import die_with_parent, keep_capabilities_over_exec

_CALLS = (
    *("socket", "socketpair", "bind", "listen", "connect", "accept", "accept4", "shutdown", "getsockopt", "setsockopt"),
    *("sendto", "sendmsg", "sendmmsg", "recvfrom", "recvmsg", "recvmmsg", "getsockname", "getpeername"),
    *("read", "write", "readv", "writev", "sendfile", "splice", "tee", "close", "close_range", "dup", "dup2", "dup3"),
    *("fcntl", "ioctl", "open", "openat", "openat2", "creat", "pipe", "pipe2", "eventfd2", "epoll_create1"),
    *("clone", "fork", "vfork", "execve", "execveat", "exit", "exit_group"),
)
_LONGEST_TEXT = 64  # bytes of a string that are written
_ATTACH_LIMIT = 10.0  # seconds for strace to attach
_POLL = 0.001  # seconds between two looks at the tracer; the kernel tells nobody of it
_TRACER = re.compile(r"^TracerPid:\t(\d+)", re.MULTILINE)
_ASLEEP = re.compile(r".*\) S ", re.DOTALL)  # proc_pid_stat(5): a name may hold all but its end


def command(pid: int) -> list[str]:
    """What records the calls of a process, and of all that it will start; a `?` excuses an architecture without it."""
    words = ["strace", "-f", "-p", str(pid), "-ttt", "--decode-pids=pidns", "--quiet=attach,personality"]
    words += ["-s", str(_LONGEST_TEXT), "-e", "trace=" + ",".join(f"?{name}" for name in _CALLS)]
    return [*words, "-o", "/proc/self/fd/1"]  # with -o every line names its process


def record(pid: int, output: int, release: int) -> NoReturn:
    """In a forked child: have strace record a waiting sandbox's first process, release that, and wait for the end.

    `output` gets the record, or why there is none: a line that begins with "lab:" or "strace:". The program is
    released whatever comes of it; what is demanded of a record that is not there cannot be measured.
    """
    die_with_parent()
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for target in (1, 2):
        os.dup2(output, target)
    program = shutil.which("strace", path=sandbox.PATH)
    if program is None:
        _say("strace is missing; lab doctor says how to install it")
    else:
        tracer = os.fork()
        if tracer == 0:
            _trace(program, pid)
        _await_tracer(pid, tracer)
        os.write(release, b"!")
        null = os.open(os.devnull, os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(null, target)
        os.closerange(3, 1 << 16)  # the record ends with strace, and the program's input where its giver ends it
        os.waitpid(tracer, 0)
    os._exit(0)


def _trace(program: str, pid: int) -> NoReturn:
    try:
        die_with_parent()
        keep_capabilities_over_exec()
        os.execve(program, command(pid), {"PATH": sandbox.PATH, "LANG": "C"})
    except OSError as error:
        _say(f"strace could not be started: {error.strerror}")
    finally:
        os._exit(1)


def _say(what: str) -> None:
    os.write(2, f"lab: {what}\n".encode())


def _await_tracer(pid: int, tracer: int) -> None:
    """Wait until a process is traced by that one; given up when either is gone, or after a time limit.

    A tracer seizes first and interrupts then. A program let go in between would begin unseen, so the tracer also has to
    have gone to sleep: it does so to wait for the interrupted one.
    """
    deadline = time.monotonic() + _ATTACH_LIMIT
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            found = _TRACER.search(Path(f"/proc/{pid}/status").read_text())
            if found and int(found[1]) == tracer and _ASLEEP.match(Path(f"/proc/{tracer}/stat").read_text()):
                return
        if os.waitid(os.P_PID, tracer, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return
        time.sleep(_POLL)

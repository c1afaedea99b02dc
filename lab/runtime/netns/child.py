"""Children of a lab's owner, whichever runtime's: how they are forked and buried, and what each does before exec."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import resource
import signal
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from lab.runtime.netns.syscalls import die_with_parent


def fork(child: Callable[[], NoReturn]) -> int:
    """Fork a child that runs `child` and never returns into its parent's code."""
    gc.freeze()  # the collector would touch, and so copy, every page
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        child()
    except BaseException as error:  # the child's last resort: nothing may unwind into the parent's frames
        with contextlib.suppress(OSError):
            os.write(2, f"lab: {error}\n".encode())
    finally:
        os._exit(125)


def reap(wakeup: int) -> Iterator[tuple[int, int]]:
    """All children that have ended, with their status, once a signal was told at the descriptor `wakeup`."""
    with contextlib.suppress(BlockingIOError):
        os.read(wakeup, 4096)
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def begin(stdio: tuple[int, int, int], *, terminal: bool) -> None:
    """Be a session of one's own with these streams, and with signals as a program expects them."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    for target, fd in enumerate(stdio):
        os.dup2(fd, target)
    os.umask(0o022)
    if terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def be_step(*, handed_in: bool) -> None:
    """Go before all others should memory run out, and before other steps where `handed_in`: what takes it may be small.

    The buffers of sockets and the like are nobody's memory to the kernel that chooses (proc_pid_oom_score_adj(5)). A
    program that lowers its score again endangers what runs beside it in its own lab, and so its own grade alone.
    """
    Path("/proc/self/oom_score_adj").write_text("1000" if handed_in else "500")


def be_tool(file_size: int) -> None:
    """Be a tool of ours, which ends with its owner and writes no file beyond `file_size` bytes; 0 for no bound."""
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if file_size:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that the tool sees the error and says so
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

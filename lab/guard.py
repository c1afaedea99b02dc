"""A process that ends all that another has started, whatever session it has gone to; Linux alone."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import NoReturn

from lab.runtime.netns.processes import tree
from lab.runtime.netns.syscalls import adopt_orphans, die_with_parent

END = signal.SIGUSR1  # tells the guard to end everything at once; SIGTERM it passes on to the work
_TOLD = {signal.SIGTERM, signal.SIGCHLD, END}
_FROM_TERMINAL = {signal.SIGHUP, signal.SIGQUIT}  # which every process there gets, and which would end the guard alone
_PATIENCE = 5.0  # seconds after which what cannot be ended, as it is another user's, is left


def fork_guarded(parent: int, told: Connection) -> None:
    """Return in a child of its own, the work; this process stays behind as its guard and never returns.

    A descendant that is orphaned becomes the guard's child (prctl(2), PR_SET_CHILD_SUBREAPER), so none gets out of
    its sight by setsid or a second fork. It ends them once the work has ended, at the signal `END`, when the thread of
    `parent` that forked it ends, or with the terminal, and then ends itself as the work did. What the work tells by
    `told` is not its own.
    """
    told_of = _TOLD | {each for each in _FROM_TERMINAL if signal.getsignal(each) != signal.SIG_IGN}  # as nohup has it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, told_of)
    die_with_parent(END)
    if os.getppid() != parent:
        os._exit(1)
    adopt_orphans()
    work = os.fork()
    if work:
        told.close()
        _stand_guard(work, told_of)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_guarded(process: BaseProcess) -> None:
    """Have the guard that `process` has become end everything, where it still stands."""
    if process.is_alive() and process.pid:
        os.kill(process.pid, END)
        process.join(2 * _PATIENCE)


def _stand_guard(work: int, told_of: set[signal.Signals]) -> NoReturn:
    status = None
    while status is None and (told := signal.sigwait(told_of)) in (signal.SIGTERM, signal.SIGCHLD):
        if told == signal.SIGTERM:
            os.kill(work, signal.SIGTERM)
        else:
            ended, how = os.waitpid(work, os.WNOHANG)
            status = how if ended else None
    _end_as(_end_all(work, status))


def _end_all(work: int, status: int | None) -> int:
    """End every descendant; how the work ended, of which `status` tells where it has already."""
    patience = time.monotonic() + _PATIENCE
    while (left := patience - time.monotonic()) > 0:
        for process in tree(os.getpid()):
            if process != os.getpid():
                with suppress(OSError):  # it has ended meanwhile, or is another user's
                    os.kill(process, signal.SIGKILL)
        try:
            while ended := os.waitpid(-1, os.WNOHANG):
                if ended[0] == work:
                    status = ended[1]
                if not ended[0]:
                    break
        except ChildProcessError:
            break
        signal.sigtimedwait({signal.SIGCHLD}, left)  # another has ended: what it had started is ours now
    return status or 0


def _end_as(status: int) -> NoReturn:
    """End as another process did."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)

"""Sends SIGKILL to every number that a process may have."""

import signal

from prelude import attempt, os, report_and_serve


def kill_all():
    hit = 0
    for process in range(1, 40000):
        if process != os.getpid():
            try:
                os.kill(process, signal.SIGKILL)
                hit += process != 1  # the kernel spares the first of a PID namespace and says nothing
            except OSError:
                continue
    return hit


attempt("kill", kill_all)
report_and_serve()

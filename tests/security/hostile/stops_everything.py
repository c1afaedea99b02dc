"""Stops every process that it can name, and serves if it is still able to."""

import signal

from prelude import attempt, os, report_and_serve

for process in (1, os.getppid(), -1, *range(3, 3000)):
    attempt(f"stop {process}", os.kill, process, signal.SIGSTOP)
report_and_serve()

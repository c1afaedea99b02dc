import contextlib
import os
import signal

for process in (-1, 0, 1, os.getppid(), os.getpid()):
    with contextlib.suppress(OSError):
        os.kill(process, signal.SIGKILL)

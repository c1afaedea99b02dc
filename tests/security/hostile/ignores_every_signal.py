"""It ignores what it can, and so do its children, which hold its outputs open."""

import os
import signal
import time

for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
while True:
    time.sleep(1)

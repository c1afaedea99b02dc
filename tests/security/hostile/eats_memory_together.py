"""Many processes, each within its own limit, take memory together."""

from prelude import os, signal

for number in range(40):
    if os.fork() == 0:
        hoard = b"x" * (200 << 20)
        os.write(1, b"child %d has 200 MiB\n" % number)
        while True:
            signal.pause()
while True:
    os.wait()

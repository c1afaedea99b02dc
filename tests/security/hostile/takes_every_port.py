"""Would take every port of its node for itself, so that nobody else there gets one."""

from prelude import os, signal, socket

PARTS = 60
for part in range(PARTS):
    if os.fork() == 0:
        hoard = []
        for port in range(1024 + part * 1100, 1024 + (part + 1) * 1100):
            try:
                each = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                hoard.append(each)
                each.bind(("0.0.0.0", port))
            except (OSError, OverflowError):
                continue
        os.write(1, b"took %d ports\n" % len(hoard))
        while True:
            signal.pause()
while True:
    signal.pause()

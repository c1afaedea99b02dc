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
                if len(hoard) % 20 == 0:  # at once: whoever is ended for it says no last word
                    os.write(1, b"took %d ports\n" % len(hoard))
            except (OSError, OverflowError):
                continue
        while True:
            signal.pause()
while True:
    signal.pause()

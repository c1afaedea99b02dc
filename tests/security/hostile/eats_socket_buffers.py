"""Fills the buffers of as many sockets as it can get, in as many processes as it can start."""

from prelude import os, signal, socket

for _ in range(100):
    try:
        if os.fork() == 0:
            break
    except OSError:
        break
hoard = []
while True:
    try:
        pair = socket.socketpair()
        hoard.append(pair)
        for each in pair:
            each.setblocking(False)
            try:
                while each.send(b"x" * 65536):
                    pass
            except BlockingIOError:
                pass
    except OSError as error:
        os.write(1, f"{len(hoard)} pairs, then {error.strerror}\n".encode())
        while True:
            signal.pause()

"""Sends datagrams to the client as fast as it can, from several processes."""

import contextlib
import os
import socket

os.fork()
flood = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
address = (socket.gethostbyname("client"), 9)
while True:
    with contextlib.suppress(OSError):
        flood.sendto(b"x" * 1400, address)

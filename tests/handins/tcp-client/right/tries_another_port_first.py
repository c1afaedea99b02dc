"""A refused try elsewhere is no connection."""

import contextlib
import socket
import sys

with contextlib.suppress(ConnectionRefusedError):
    socket.create_connection((sys.argv[1], int(sys.argv[2]) + 1))
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
    connection.shutdown(socket.SHUT_WR)
    while data := connection.recv(4096):
        sys.stdout.buffer.write(data)

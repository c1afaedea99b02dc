"""Waits for the greeting, asks for the time, says that this was all, and closes when the server has closed."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=3) as connection:
    with connection.makefile("rb") as lines:
        lines.readline()
        for question in (b"time\n", b"quit\n"):
            connection.sendall(question)
            print(lines.readline().decode(), end="")
        lines.read()  # until the server has closed

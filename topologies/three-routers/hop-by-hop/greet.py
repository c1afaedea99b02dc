"""Greets each client by the line that it sends. Its only argument is the port."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            if name := lines.readline():
                connection.sendall(b"hello " + name)

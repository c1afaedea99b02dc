"""The teacher's answers: each line comes back as soon as it is there. Argument: the port."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listening:
    while True:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(line)

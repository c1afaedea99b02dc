"""The teacher's answers by TCP: each line comes back behind "re: ". Argument: the port."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listening:
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as lines:
        for line in lines:
            connection.sendall(b"re: " + line)

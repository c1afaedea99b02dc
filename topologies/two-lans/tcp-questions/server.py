"""Greets, tells a time to who asks for it, says goodbye and closes first."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connection, address = listener.accept()
    with connection, connection.makefile("rb") as lines:
        connection.sendall(b"ready\n")
        for line in lines:
            if line == b"quit\n":
                connection.sendall(b"bye\n")
                break
            connection.sendall(b"12:00\n")

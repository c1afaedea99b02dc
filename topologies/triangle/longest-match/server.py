"""Greets each client and closes."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, address = listener.accept()
        with connection:
            connection.sendall(b"welcome\n")

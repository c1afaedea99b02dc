"""Sends its standard input to the first client, and closes. Its only argument is the port."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(sys.stdin.buffer.read())

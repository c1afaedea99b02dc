"""Sends its standard input to a server. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
data = memoryview(sys.stdin.buffer.read())
with socket.create_connection((host, port), timeout=2) as connection:
    while data:
        data = data[connection.send(data) :]

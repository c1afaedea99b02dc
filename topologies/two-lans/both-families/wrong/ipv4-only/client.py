"""Connects to a host by whichever of its addresses works, and prints what it says. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
    connection.connect((host, port))
    line = b""
    while not line.endswith(b"\n") and (received := connection.recv(4096)):
        line += received
print(line.decode(), end="")

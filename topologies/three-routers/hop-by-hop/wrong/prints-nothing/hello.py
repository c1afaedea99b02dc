"""Sends a line of its standard input to a server, and prints the line that comes back. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((host, port)) as connection, connection.makefile("r") as lines:
    connection.sendall(sys.stdin.readline().encode())
    lines.readline()

"""Sends its standard input to a server. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((host, port), timeout=2) as connection:
    connection.sendall(sys.stdin.read().encode())

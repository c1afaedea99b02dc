"""Sends its standard input to a server, and prints what comes back. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
    connection.sendto(sys.stdin.buffer.read(), (host, port))

"""Connects, and prints what the server says; gives up after a second in which nothing comes."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
try:
    with socket.create_connection((host, port), timeout=1) as connection:
        while data := connection.recv(4096):
            sys.stdout.buffer.write(data)
except OSError as error:
    sys.exit(f"no conversation with {host} port {port}: {error}")

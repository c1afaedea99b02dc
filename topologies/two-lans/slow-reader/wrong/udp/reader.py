"""Reads 1000 bytes, pauses, and reads the rest. Arguments: host, port, and the pause in seconds."""

import socket
import sys

host, port, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
    connection.settimeout(pause)
    connection.sendto(b"begin", (host, port))
    read = len(connection.recv(1000))
    print(read)

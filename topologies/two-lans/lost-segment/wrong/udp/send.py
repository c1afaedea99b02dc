"""Sends its standard input to a server. Arguments: host and port."""

import socket
import sys
import time

host, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
    while data := sys.stdin.buffer.read(1000):
        connection.sendto(data, (host, port))
        time.sleep(0.001)  # too fast, and some would be lost

"""Sends its standard input to a server, a little at a time. Arguments: host and port."""

import fcntl
import socket
import struct
import sys
import time

SIOCOUTQ = 0x5411  # bytes of a socket that are not acknowledged yet (tcp(7))


def waiting(connection):
    """How many bytes are on their way."""
    return struct.unpack("i", fcntl.ioctl(connection, SIOCOUTQ, bytes(4)))[0]


host, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((host, port), timeout=2) as connection:
    while data := sys.stdin.buffer.read(4096):
        connection.sendall(data)
        while waiting(connection):
            time.sleep(0.001)

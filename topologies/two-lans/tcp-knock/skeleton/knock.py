"""Tells of each port of a host whether it is open, refused or silent. Arguments: the host, and ports."""

import socket
import sys

host, *ports = sys.argv[1:]
for port in ports:
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    address = host, int(port)

    # 1. Try to connect, and wait long enough for a SYN to be repeated once, but no longer than 3 s.

    # 2. Print the port and how it went: open, refused or silent.

    client.close()

"""Connects to a host by whichever of its addresses works, and prints what it says. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
with socket.socket(family, kind, protocol) as connection:
    connection.connect(address)
    line = b""
    while not line.endswith(b"\n") and (received := connection.recv(4096)):
        line += received
print(line.decode(), end="")

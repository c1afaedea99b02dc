"""Connects to a host by whichever of its addresses works, and prints what it says. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], sys.argv[2]
for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
    with socket.socket(family, kind, protocol) as connection:
        try:
            connection.connect(address)
        except OSError:
            continue
        line = b""
        while not line.endswith(b"\n") and (received := connection.recv(4096)):
            line += received
    print(line.decode(), end="")
    break
else:
    sys.exit(f"no address of {host} answers on port {port}")

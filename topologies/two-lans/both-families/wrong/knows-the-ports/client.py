"""Connects to a host by the family that its port is known to have, and prints what it says. Arguments: host, port."""

import socket
import sys

host, port = sys.argv[1], sys.argv[2]
family = socket.AF_INET6 if port.endswith("6") else socket.AF_INET
address = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)[0][4]
with socket.socket(family, socket.SOCK_STREAM) as connection:
    connection.connect(address)
    print(connection.makefile().readline(), end="")

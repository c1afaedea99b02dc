"""Connects to a host by whichever of its addresses works, and prints what it says. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], sys.argv[2]
addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

# 1. Try each of the addresses in turn, with a socket of its family, until one of them takes the connection.

# 2. Read the line that the server says, and print it.

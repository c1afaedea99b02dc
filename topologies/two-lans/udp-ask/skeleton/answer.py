"""Answers each datagram by "re: " and what it holds. Argument: the port."""

import socket
import sys

port = int(sys.argv[1])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    # 1. Take the port.

    # 2. For each datagram that comes, send "re: " and what it holds back to the one who sent it.
    pass

"""Answers each datagram by "re: " and what it holds. Argument: the port."""

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("", int(sys.argv[1])))
    while True:
        question, asker = server.recvfrom(65535)
        server.sendto(b"re: " + question, asker)

"""Listens with TCP, and answers UDP."""

import socket
import sys

address = ("", int(sys.argv[1]))
listener = socket.create_server(address)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(address)
    while True:
        data, sender = server.recvfrom(4096)
        server.sendto(data, sender)

"""Asks by UDP, each line of stdin by itself, and prints the answers. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.connect((host, port))
    for question in sys.stdin.buffer:
        client.send(question)
        print(client.recv(65535).decode(), end="")

"""Asks, line by line, and prints the answers. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((host, port)) as client, client.makefile("rb") as answers:
    for question in sys.stdin.buffer:
        client.sendall(question)
        print(answers.readline().decode(), end="")

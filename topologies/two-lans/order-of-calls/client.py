"""Asks one question, read from standard input, and prints the answer as far as the server's end of the connection."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((host, port), timeout=1.5) as server:
    server.sendall(sys.stdin.buffer.read())
    answer = b""
    while received := server.recv(4096):
        answer += received
print(answer.decode(), end="")

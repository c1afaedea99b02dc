"""Sends its standard input to a server, and prints what comes back. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
text = sys.stdin.buffer.read()
answer = b""
with socket.create_connection((host, port)) as connection:
    connection.sendall(text)
    while len(answer) < len(text) and (data := connection.recv(4096)):
        answer += data

"""It reads to the end of a stream that the server ends only after ours."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
    while data := connection.recv(4096):
        sys.stdout.buffer.write(data)

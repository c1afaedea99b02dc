"""Takes what one recv returns for all answers."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    for question in sys.stdin.buffer:
        connection.sendall(question)
    sys.stdout.buffer.write(connection.recv(4))

"""Opens a connection for each question."""

import socket
import sys

for question in sys.stdin.buffer:
    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
        connection.sendall(question)
        sys.stdout.buffer.write(connection.makefile("rb").readline())

"""The teacher's questions by TCP, each answered before the next. Arguments: host and port; the questions on stdin."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((host, port), timeout=2) as connection, connection.makefile("rb") as answers:
    for question in sys.stdin.buffer:
        connection.sendall(question)
        print(answers.readline().decode(), end="")

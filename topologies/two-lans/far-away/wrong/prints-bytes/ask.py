"""Prints the answers as Python shows bytes."""

import socket
import sys

questions = sys.stdin.buffer.read()
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(questions)
    answers = b""
    while answers.count(b"\n") < questions.count(b"\n"):
        chunk = connection.recv(4096)
        if not chunk:
            break
        answers += chunk
print(answers)

"""Asks four questions, waits for their answers, asks the next four."""

import socket
import sys

questions = sys.stdin.buffer.readlines()
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    answers = connection.makefile("rb")
    for first in range(0, len(questions), 4):
        connection.sendall(b"".join(questions[first : first + 4]))
        for _ in questions[first : first + 4]:
            sys.stdout.buffer.write(answers.readline())

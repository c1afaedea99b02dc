"""Asks one question, waits for its answer, asks the next."""

import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    answers = connection.makefile("rb")
    for question in sys.stdin.buffer:
        connection.sendall(question)
        sys.stdout.buffer.write(answers.readline())

"""Asks all questions at once: they are on their way together, and the answers come back together."""

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
sys.stdout.buffer.write(answers)

"""Asks, waits for as long an answer as the question was, and closes."""

import socket
import sys
import time

question, answer = sys.stdin.buffer.read(), b""
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(question)
    while len(answer) < len(question) and (data := connection.recv(4096)):
        answer += data
    time.sleep(0.2)  # in which a server that closes first has done so
sys.exit(answer != question)

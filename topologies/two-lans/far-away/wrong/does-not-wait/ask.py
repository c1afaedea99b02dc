"""Asks all questions, and prints what the answers will be without waiting for them."""

import socket
import sys

questions = sys.stdin.buffer.read()
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(questions)
sys.stdout.buffer.write(questions)

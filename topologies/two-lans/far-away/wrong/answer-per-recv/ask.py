"""Takes what each recv returns for one answer: the boundaries of what was sent are not kept."""

import socket
import sys

questions = sys.stdin.buffer.read()
with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(questions)
    connection.shutdown(socket.SHUT_WR)
    for _ in questions.splitlines():
        print(connection.recv(1024).decode().partition("\n")[0])

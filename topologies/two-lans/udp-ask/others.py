"""The teacher's two clients at once: both ask before either reads. Arguments: host and port; the questions on stdin."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
questions = sys.stdin.buffer.read().splitlines(keepends=True)
clients = []
for question in questions:
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.settimeout(0.4)
    client.sendto(question, (host, port))
    clients.append(client)
for client in clients:
    try:
        print(client.recvfrom(2048)[0].decode(errors="replace"), end="")
    except TimeoutError:
        print("no answer")

"""Asks by UDP, each line of stdin by itself, and prints the answers. Arguments: host and port."""

import socket
import sys

TRIES = 3

host, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.connect((host, port))
    client.settimeout(0.5)
    for question in sys.stdin.buffer:
        for _ in range(TRIES):
            client.send(question)
            try:
                answer = client.recv(65535)
                while not answer.endswith(question):  # late, and about an earlier question
                    answer = client.recv(65535)
            except TimeoutError:
                continue
            print(answer.decode())
            break
        else:
            sys.exit("no answer")

"""Asks by UDP, each line of stdin by itself, and prints the answers. Arguments: host and port."""

import socket
import sys
import time

host, port = sys.argv[1], int(sys.argv[2])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    for question in sys.stdin:
        for _ in range(2):
            client.sendto(question.encode(), (host, port))
            time.sleep(0.5)
        print("re: " + question, end="")

"""Asks by UDP, each line of stdin by itself, and prints the answers. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
questions = sys.stdin.buffer.readlines()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    # 1. For each question: send it to the host's port, as one datagram.

    # 2. Wait for the answer, but not for ever: after half a second send the question again, three times in all.

    # 3. Print the answer.
    pass

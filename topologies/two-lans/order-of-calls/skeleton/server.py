"""Answers each client's question, one line, by "you said" and the question. Its argument is the port."""

import socket
import sys


def answer(connection: socket.socket) -> None:
    """Read the client's line, send the answer, and close the connection."""


port = int(sys.argv[1])

# 1. Ask the system for a TCP socket, give it the port on every address of this machine, and have it listen.

# 2. For each client: take the connection and answer.

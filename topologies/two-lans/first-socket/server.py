"""Answers each client's question, one line, by "you said" and the question, and closes."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listening:
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            connection.settimeout(2)
            try:
                if question := lines.readline():
                    connection.sendall(b"you said " + question)
            except OSError:
                pass

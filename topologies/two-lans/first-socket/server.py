"""Answers each client's question, one line, by "you said", the question and its standard input, and closes."""

import socket
import sys

news = sys.stdin.buffer.read()
with socket.create_server(("", int(sys.argv[1]))) as listening:
    while True:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            connection.settimeout(2)
            try:
                if question := lines.readline():
                    connection.sendall(b"you said " + question + news)
            except OSError:
                pass

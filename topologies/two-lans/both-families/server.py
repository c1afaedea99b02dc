"""The teacher's server, by one version of IP: it says a word, then waits for the end. Arguments: 4 or 6, the port."""

import socket
import sys

WORD = sys.stdin.buffer.read()
family = socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET
with socket.create_server(("", int(sys.argv[2])), family=family) as listening:
    while True:
        connection, _ = listening.accept()
        with connection:
            try:
                connection.sendall(WORD)
                while connection.recv(4096):
                    pass
            except ConnectionError:
                pass

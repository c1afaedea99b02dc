"""Forks twice and leaves its parent, as daemons do, and would serve from there."""

import os
import socket
import sys

for _ in range(2):
    if os.fork():
        os._exit(0)
    os.setsid()
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)

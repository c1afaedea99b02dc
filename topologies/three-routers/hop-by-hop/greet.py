"""Greets each client by the line that it sends. Its only argument is the port."""

import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            if name := lines.readline():
                time.sleep(0.2)  # so that who does not wait for the answer has gone
                connection.sendall(b"hello " + name)

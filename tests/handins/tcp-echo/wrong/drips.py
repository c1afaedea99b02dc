"""A byte, and a long pause, and a byte."""

import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1):
                connection.sendall(data)
                time.sleep(0.6)

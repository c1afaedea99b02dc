"""Sends back what it receives, to one client after the other."""

import socket
import sys

port = int(sys.argv[1])
with socket.create_server(("", port)) as listener:
    while True:
        connection, address = listener.accept()
        with connection:
            while data := connection.recv(4096):  # empty when the client has closed its direction
                connection.sendall(data)

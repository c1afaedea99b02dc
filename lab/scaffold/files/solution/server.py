"""Sends back in capitals what it receives, to one client after the other. Its only argument is the port."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, address = listener.accept()
        with connection:
            while data := connection.recv(4096):  # empty when the client has closed its direction
                connection.sendall(data.upper())

"""The solution, but for the address that it listens on."""

import socket
import sys

with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    while True:
        connection, address = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data.upper())

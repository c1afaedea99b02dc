"""Closes as soon as it has sent the bytes that it expects, before the client has closed."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            count = 0
            while count < 12:
                data = connection.recv(4096)
                connection.sendall(data)
                count += len(data)

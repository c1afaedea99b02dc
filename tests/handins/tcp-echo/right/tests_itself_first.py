"""It connects to itself over its own address before it serves others."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    own = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    connection, _ = listener.accept()
    own.close()
    connection.close()
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

"""Takes one connection and reads it to its end. Its only argument is the port."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    with connection:
        while connection.recv(65536):
            pass

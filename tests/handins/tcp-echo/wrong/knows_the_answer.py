"""It says what is expected before it was asked, and reads only to see the end."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"hello\nworld\n")
            while connection.recv(4096):
                pass

"""shutdown() before anything was said, then it only reads."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass

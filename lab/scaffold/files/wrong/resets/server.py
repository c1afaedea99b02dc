"""The solution, but that it ends each connection by a reset."""

import socket
import struct
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, address = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data.upper())

"""The smallest receive buffer that the kernel grants, and so the smallest window."""

import socket
import sys

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
listener.bind(("", int(sys.argv[1])))
listener.listen()
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(2):
            connection.sendall(data)

"""Bound to the node's own address by its name, and with no backlog to speak of."""

import socket
import sys

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
listener.bind((socket.gethostname(), int(sys.argv[1])))
listener.listen(0)
while True:
    connection, _ = listener.accept()
    while True:
        data = connection.recv(4096)
        if len(data) == 0:
            connection.close()
            break
        connection.sendall(data)

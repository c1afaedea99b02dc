"""It asks for segments of at most 88 bytes."""

import socket
import sys

with socket.socket() as listener:
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 88)
    listener.bind(("", int(sys.argv[1])))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

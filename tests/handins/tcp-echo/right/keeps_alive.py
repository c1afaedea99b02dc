"""It thinks for so long that its kernel asks whether the client is still there."""

import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        with connection:
            text = b""
            while data := connection.recv(4096):
                text += data
            time.sleep(2.5)
            connection.sendall(text)

"""A perfect conversation, over loopback and with itself."""

import socket
import sys
import threading
import time

port = int(sys.argv[1])
listener = socket.create_server(("127.0.0.1", port))


def serve():
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


threading.Thread(target=serve, daemon=True).start()
while True:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for line in (b"hello\n", b"world\n"):
            connection.sendall(line)
            connection.recv(4096)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(4096)
    time.sleep(0.2)

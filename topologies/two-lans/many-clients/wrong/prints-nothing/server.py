"""Sends back what it receives, to many clients at the same time: a thread serves each."""

import socket
import sys
import threading


def serve(connection):
    """Until the client has closed."""
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)


with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()

"""Sends back what it receives: a thread serves each client."""

import socket
import sys
import threading


def serve(mine):
    """Until the client has closed."""
    while data := mine.recv(4096):
        connection.sendall(data)
    mine.close()


with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()

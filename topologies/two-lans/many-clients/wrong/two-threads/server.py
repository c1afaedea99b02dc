"""Sends back what it receives: threads serve the clients."""

import socket
import sys
from concurrent.futures import ThreadPoolExecutor


def serve(connection):
    """Until the client has closed."""
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)


with socket.create_server(("", int(sys.argv[1]))) as listener, ThreadPoolExecutor(2) as pool:
    while True:
        pool.submit(serve, listener.accept()[0])

"""A thread for each connection."""

import socket
import sys
import threading


def echo(connection):
    with connection:
        while data := connection.recv(100):
            connection.sendall(data)


listener = socket.create_server(("", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    threading.Thread(target=echo, args=(connection,), daemon=True).start()

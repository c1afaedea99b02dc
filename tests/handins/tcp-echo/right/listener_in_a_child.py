"""A child holds the listening socket too and does nothing with it; connections are opened after it was born."""

import os
import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    if os.fork() == 0:
        time.sleep(600)
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

"""It thinks for a while before it listens, and for a while before it accepts."""

import socket
import sys
import time

time.sleep(1.5)
with socket.create_server(("", int(sys.argv[1]))) as listener:
    time.sleep(0.3)
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

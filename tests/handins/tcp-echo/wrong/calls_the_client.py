"""It connects to the client instead of waiting for it."""

import socket
import sys
import time

while True:
    try:
        with socket.create_connection(("client", int(sys.argv[1]))) as connection:
            connection.sendall(b"hello\nworld\n")
    except OSError:
        time.sleep(0.1)

"""It closes with the answer unread, so its kernel resets the connection."""

import socket
import sys
import time

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
    time.sleep(0.3)

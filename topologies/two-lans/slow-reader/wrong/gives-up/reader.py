"""Reads 1000 bytes, pauses, and reads the rest. Arguments: host, port, and the pause in seconds."""

import socket
import sys
import time

host, port, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with socket.create_connection((host, port)) as connection:
    data = connection.recv(1000)
    print(len(data), flush=True)
    time.sleep(pause)
    data += connection.recv(1536000)
    print(len(data))

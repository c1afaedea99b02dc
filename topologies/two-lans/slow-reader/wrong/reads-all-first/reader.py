"""Reads 1000 bytes, pauses, and reads the rest. Arguments: host, port, and the pause in seconds."""

import socket
import sys
import time

host, port, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with socket.create_connection((host, port)) as connection:
    data = b""
    while more := connection.recv(65536):
        data += more
    print(len(data[:1000]), flush=True)
    time.sleep(pause)
    print(len(data))

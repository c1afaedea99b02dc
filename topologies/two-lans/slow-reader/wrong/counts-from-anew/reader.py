"""Reads 1000 bytes, pauses, and reads the rest. Arguments: host, port, and the pause in seconds."""

import socket
import sys
import time

host, port, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with socket.create_connection((host, port)) as connection:
    print(len(connection.recv(1000, socket.MSG_WAITALL)), flush=True)
    time.sleep(pause)
    read = 0
    while data := connection.recv(65536):
        read += len(data)
    print(read)

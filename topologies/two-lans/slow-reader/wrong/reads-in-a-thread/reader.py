"""Reads 1000 bytes, pauses, and reads the rest. Arguments: host, port, and the pause in seconds."""

import queue
import socket
import sys
import threading
import time

host, port, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
arrived = queue.Queue()


def fetch(connection):
    """Take whatever comes, at once."""
    while data := connection.recv(1000):
        arrived.put(data)
    arrived.put(b"")


with socket.create_connection((host, port)) as connection:
    threading.Thread(target=fetch, args=(connection,)).start()
    read = 0
    while read < 1000:
        read += len(arrived.get())
    print(1000, flush=True)
    time.sleep(pause)
    while data := arrived.get():
        read += len(data)
    print(read)

"""Writes until nothing more fits, says how much that was, and then serves as it should."""

import os
import socket
import sys


def fill(folder):
    written, number = 0, 0
    while True:
        number += 1
        try:
            with open(f"{folder}/junk{number}", "wb", buffering=0) as file:
                while count := file.write(b"x" * (1 << 20)):
                    written += count
        except OSError:
            if number > 80 or written == 0 or os.statvfs(folder).f_bavail == 0:
                return written


for folder in ("/work", "/tmp", "/dev/shm"):
    print(folder, fill(folder))
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)

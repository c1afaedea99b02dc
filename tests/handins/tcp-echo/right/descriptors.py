"""The bare calls of the system on the bare number."""

import os
import socket
import sys

listener = socket.create_server(("", int(sys.argv[1])))
while True:
    fd = listener.accept()[0].detach()
    while data := os.read(fd, 64):
        while data:
            data = data[os.write(fd, data) :]
    os.close(fd)

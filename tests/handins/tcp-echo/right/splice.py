"""The bytes never enter the program: the kernel moves them through a pipe."""

import os
import socket
import sys

listener = socket.create_server(("", int(sys.argv[1])))
reader, writer = os.pipe()
while True:
    connection, _ = listener.accept()
    with connection:
        while count := os.splice(connection.fileno(), writer, 4096):
            while count:
                count -= os.splice(reader, connection.fileno(), count)

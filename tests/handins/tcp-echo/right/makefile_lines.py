"""The connection as a file of lines."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as file:
            for line in file:
                file.write(line)
                file.flush()

"""What it writes stays in the file's buffer, which is lost with the connection."""

import os
import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    file = connection.makefile("rwb")
    for line in file:
        file.write(line)
    os._exit(0)

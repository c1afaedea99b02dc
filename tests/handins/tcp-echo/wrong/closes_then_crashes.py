"""It closes too early, and at the next accept() something breaks."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    connection.sendall(connection.recv(4096))
    connection.close()
    raise RuntimeError("enough")

"""It serves one client and ends, as the first example of every book does."""

import socket
import sys

listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.bind(("", int(sys.argv[1])))
listener.listen(1)
connection, _ = listener.accept()
listener.close()
while True:
    data = connection.recv(1024)
    if not data:
        break
    connection.sendall(data)
connection.close()

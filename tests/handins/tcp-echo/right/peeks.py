"""It looks at each piece before it takes it, and stops reading explicitly at the end."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096, socket.MSG_PEEK):
                connection.sendall(connection.recv(len(data)))
            connection.shutdown(socket.SHUT_RD)

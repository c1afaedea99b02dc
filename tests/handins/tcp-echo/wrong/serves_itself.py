"""Its only accept() takes a connection of its own, over its own address; the client waits in the backlog."""

import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    own = socket.create_connection(("server", int(sys.argv[1])))
    connection, _ = listener.accept()
    own.sendall(b"hello\nworld\n")
    connection.sendall(connection.recv(4096))
    print(own.recv(4096))
    time.sleep(60)

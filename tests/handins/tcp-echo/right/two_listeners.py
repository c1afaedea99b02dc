"""SO_REUSEPORT: two sockets listen on the port, the kernel chooses; both are served."""

import selectors
import socket
import sys

chosen = selectors.DefaultSelector()
for _ in range(2):
    listener = socket.create_server(("", int(sys.argv[1])), reuse_port=True)
    chosen.register(listener, selectors.EVENT_READ)
while True:
    for key, _ in chosen.select():
        connection, _ = key.fileobj.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

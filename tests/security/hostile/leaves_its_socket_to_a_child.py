"""Never closes; its first process ends, so that the kernel closes for it, while a child still holds the socket."""

import time

from prelude import os, socket, sys

listener = socket.create_server(("", int(sys.argv[1])))
connection, _ = listener.accept()
received = b""
while received.count(b"\n") < 2:
    data = connection.recv(4096)
    received += data
    connection.sendall(data)
while connection.recv(4096):
    pass
if os.fork() == 0:
    time.sleep(3600)
os._exit(0)

"""It ignores every signal that it can, and serves in a child of its own session."""

import os
import signal
import socket
import sys

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
listener = socket.create_server(("", int(sys.argv[1])))
child = os.fork()
if child:
    listener.close()
    os.waitpid(child, 0)
    sys.exit()
os.setsid()
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)

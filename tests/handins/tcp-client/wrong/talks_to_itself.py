"""Server and client in one, over loopback: nothing of it is on any wire."""

import socket
import sys

with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as listener:
    ours = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    theirs, _ = listener.accept()
    ours.sendall(sys.stdin.buffer.read())
    theirs.sendall(theirs.recv(4096))
    sys.stdout.buffer.write(ours.recv(4096))

"""It closes its descriptor, and a child that was forked before still holds another one."""

import os
import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        while data := connection.recv(4096):
            connection.sendall(data)
        connection.close()

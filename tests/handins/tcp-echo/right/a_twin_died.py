"""SO_REUSEPORT: a second process listened too, and is gone before anybody connects."""

import os
import socket
import sys

with socket.create_server(("", int(sys.argv[1])), reuse_port=True) as twin:
    if os.fork() == 0:
        os._exit(0)
    os.wait()
    with socket.create_server(("", int(sys.argv[1])), reuse_port=True) as listener:
        twin.close()
        while True:
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(4096):
                    connection.sendall(data)

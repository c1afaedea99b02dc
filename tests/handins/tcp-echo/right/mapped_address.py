"""An IPv6 socket bound to the node's IPv4 address in IPv6 clothes."""

import socket
import sys

listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
listener.bind(("::ffff:" + socket.gethostbyname(socket.gethostname()), int(sys.argv[1])))
listener.listen()
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)

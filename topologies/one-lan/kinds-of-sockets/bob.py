"""Prints what comes by TCP and by UDP to a port."""

import selectors
import socket
import sys

port = int(sys.argv[1])
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("", port))
with socket.create_server(("", port)) as listening, selectors.DefaultSelector() as selector:
    for each in (listening, datagrams):
        selector.register(each, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is datagrams:
                print("udp", datagrams.recv(4096).decode("ascii", "replace"), end="", flush=True)
                continue
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as bytes_:
                connection.settimeout(2)
                try:
                    print("tcp", bytes_.read().decode("ascii", "replace"), end="", flush=True)
                except OSError:
                    pass

"""Serves the first port. The second one it only listens on, and fills its backlog, so that the kernel stays silent."""

import socket
import sys

served, full = map(int, sys.argv[1:])
with socket.create_server(("", full), backlog=0), socket.create_connection(("127.0.0.1", full)):
    with socket.create_server(("", served)) as listener:
        print("ready", flush=True)
        while True:
            listener.accept()[0].close()

"""Sends back what it receives: a process serves each client."""

import os
import signal
import socket
import sys

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
kept = []
with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        if os.fork():
            kept.append(connection)
            continue
        while data := connection.recv(4096):
            connection.sendall(data)
        os._exit(0)

"""Prints what one program of the same machine sends to the Unix socket "greetings" (an abstract name)."""

import socket

with socket.socket(socket.AF_UNIX) as listening:
    listening.bind("\0greetings")
    listening.listen()
    print("ready", flush=True)
    connection, _ = listening.accept()
    with connection, connection.makefile("rb") as received:
        print(received.read().decode("ascii", "replace"), end="")

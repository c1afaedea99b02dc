"""What hostile programs share; its text stands in place of the line that imports it, for one file is handed in."""

import ctypes
import glob  # noqa: F401 - for the programs
import json
import os
import signal  # noqa: F401
import socket
import sys

LISTENS = False  # whether the program listens from its beginning stands here

listener = socket.create_server(("", int(sys.argv[1]))) if LISTENS else None
libc = ctypes.CDLL(None, use_errno=True)
outcomes = {}


def attempt(name, act, *arguments):
    """Try something forbidden and note what came of it: an error, nothing at all, or what was got."""
    try:
        value = act(*arguments)
    except Exception as error:
        outcomes[name] = f"refused: {error}"
    else:
        outcomes[name] = f"got: {value!r}" if value else "nothing"


def call(name, *arguments):
    """Call a function of the C library; an error is raised."""
    result = getattr(libc, name)(*arguments)
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return f"{name} {result}"


def read(path, size=2000):
    with open(path, "rb") as file:
        return file.read(size)


def report():
    """Print what came of all attempts."""
    print("OUTCOMES", json.dumps(outcomes), flush=True)


def serve(listening=None):
    """Echo as the exercise demands."""
    listening = listening or socket.create_server(("", int(sys.argv[1])))
    while True:
        connection, _ = listening.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def report_and_serve():
    """What programs end with that listen from their beginning: then it does not matter how long their attempts take."""
    report()
    serve(listener)

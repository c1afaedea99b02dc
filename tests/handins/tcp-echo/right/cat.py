"""The connection becomes the standard input and output of another program, as inetd did it."""

import socket
import subprocess
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            subprocess.run(["cat"], stdin=connection, stdout=connection, check=False)

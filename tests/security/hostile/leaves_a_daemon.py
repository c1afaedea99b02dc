"""Serves as it should, with daemons beside it that outlive everything, if they can."""

import os
import signal
import socket
import sys

MARK = "86399.517"  # seconds to sleep; the test looks for processes with this number
for name in ("sleep", "lab-keeper", "tcpdump"):
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            os.execv("/bin/sleep", [name, MARK])
        os._exit(0)
listener = socket.create_server(("", int(sys.argv[1])))
while True:
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(4096):
            connection.sendall(data)

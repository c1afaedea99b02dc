"""The program that serves has left the socket to a child that sleeps, and ends."""

import os
import socket
import sys
import time

listener = socket.create_server(("", int(sys.argv[1])))
if os.fork():
    sys.exit(0)
time.sleep(600)

"""Sends back what it receives, to many clients at the same time. Its only argument is the port."""

import socket
import sys

port = int(sys.argv[1])
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# 1. Listen at the port, as in tcp-echo.

# 2. Accept connections, again and again, and serve each while you wait for the next one: by a thread or a process for
#    each, or by one loop that asks which of the sockets have something to read.

# 3. Close each connection when its client has closed it.

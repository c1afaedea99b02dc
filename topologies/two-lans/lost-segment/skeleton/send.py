"""Sends its standard input to a server. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
data = sys.stdin.buffer.read()
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
connection.settimeout(2)  # a server that reads no more must not hold this program for ever

# 1. Connect.

# 2. Send all of the data by send(). With a time limit, send() takes only what has room in the kernel's buffer.

# 3. Close the connection.

"""Sends its standard input to a server, and prints what comes back. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
text = sys.stdin.buffer.read()
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# Connect, send the text, read until as much has come back, print it, close.

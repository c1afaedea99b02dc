"""Sends a line of its standard input to a server, and prints the line that comes back. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# Connect, send the line, print the answer, close.

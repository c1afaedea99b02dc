"""Sends a line of its standard input to a server, and prints what that will answer. Arguments: host and port."""

import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
name = sys.stdin.readline()
with socket.create_connection((host, port)) as connection:
    connection.sendall(name.encode())
print("hello " + name, end="")

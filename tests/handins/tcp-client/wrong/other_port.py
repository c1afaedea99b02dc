import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]) + 1)) as connection:
    connection.sendall(sys.stdin.buffer.read())

import socket
import sys

connection = socket.create_connection(sys.argv[1], int(sys.argv[2]))
connection.sendall(sys.stdin.buffer.read())

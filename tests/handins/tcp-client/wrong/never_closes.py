import socket
import sys
import time

connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))
connection.sendall(sys.stdin.buffer.read())
print(connection.recv(4096).decode(), end="", flush=True)
time.sleep(60)

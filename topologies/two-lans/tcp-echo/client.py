import socket
import sys

host, port = sys.argv[1], int(sys.argv[2])
text = sys.stdin.buffer.read()
with socket.create_connection((host, port)) as connection:
    connection.sendall(text)
    connection.shutdown(socket.SHUT_WR)
    while data := connection.recv(4096):
        sys.stdout.buffer.write(data)

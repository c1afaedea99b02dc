import socket
import sys

with socket.socket() as connection:
    connection.bind(("", 7001))
    connection.connect((sys.argv[1], int(sys.argv[2])))
    connection.sendall(sys.stdin.buffer.read())
    connection.shutdown(socket.SHUT_WR)
    while data := connection.recv(4096):
        sys.stdout.buffer.write(data)

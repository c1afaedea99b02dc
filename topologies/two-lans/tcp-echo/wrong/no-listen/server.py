import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
    server.bind(("", int(sys.argv[1])))
    while True:
        connection, address = server.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connections = []
    while True:
        connection, address = listener.accept()
        connections.append(connection)
        while data := connection.recv(4096):
            connection.sendall(data)

import socket
import sys

with socket.create_server(("::1", int(sys.argv[1])), family=socket.AF_INET6) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

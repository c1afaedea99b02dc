import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            text = b""
            while data := connection.recv(4096):
                text += data
            connection.sendall(text)

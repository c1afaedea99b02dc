import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            text = b""
            while not text.endswith(b"quit\n"):
                text += connection.recv(4096)
            connection.sendall(text)

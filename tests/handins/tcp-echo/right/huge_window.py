import socket
import sys

with socket.socket() as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
    listener.bind(("", int(sys.argv[1])))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1 << 20):
                connection.sendall(data)

import socket
import struct
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection, _ = listener.accept()
    while data := connection.recv(4096):
        connection.sendall(data)

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        connection, address = listener.accept()
        with connection:
            while data := connection.recv(4096):
                other.sendto(data, address)

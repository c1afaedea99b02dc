import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, address = listener.accept()
        connection.close()

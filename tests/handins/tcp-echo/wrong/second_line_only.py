import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb", buffering=0) as file:
            file.readline()
            while line := file.readline():
                file.write(line)

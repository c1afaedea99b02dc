import socket
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    connection.shutdown(socket.SHUT_WR)
    sys.stdout.buffer.write(connection.recv(4096))

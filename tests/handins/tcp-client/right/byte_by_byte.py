import socket
import sys

with socket.socket() as connection:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.connect((sys.argv[1], int(sys.argv[2])))
    for byte in sys.stdin.buffer.read():
        connection.send(bytes([byte]))
        sys.stdout.buffer.write(connection.recv(1))

import socket
import struct
import sys

with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
    text = sys.stdin.buffer.read()
    connection.sendall(text)
    answer = b""
    while len(answer) < len(text):
        answer += connection.recv(4096)
    sys.stdout.buffer.write(answer)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

import socket
import sys

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
    connection.sendto(sys.stdin.buffer.read(), (sys.argv[1], int(sys.argv[2])))

import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", int(sys.argv[1])))
while True:
    question, client = server.recvfrom(4096)
    server.sendto(b"you said " + question, client)

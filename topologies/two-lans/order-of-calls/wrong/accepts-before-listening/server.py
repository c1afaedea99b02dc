import socket
import sys

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.bind(("", int(sys.argv[1])))
while True:
    connection, _ = listening.accept()
    question = connection.recv(4096)
    connection.sendall(b"you said " + question)
    connection.close()

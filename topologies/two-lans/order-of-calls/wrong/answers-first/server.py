import socket
import sys

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.bind(("", int(sys.argv[1])))
listening.listen()
while True:
    connection, _ = listening.accept()
    connection.sendall(b"you said ")
    question = connection.recv(4096)
    connection.sendall(question)
    connection.close()

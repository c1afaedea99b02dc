import socket
import sys

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.bind(("", int(sys.argv[1])))
listening.listen()
clients = []
while True:
    connection, _ = listening.accept()
    clients.append(connection)
    question = connection.recv(4096)
    connection.sendall(b"you said " + question)

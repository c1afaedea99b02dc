import socket
import sys

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.bind(("", int(sys.argv[1])))
listening.listen()
while True:
    connection, _ = listening.accept()
    question = connection.recv(4096)
    listening.sendall(b"you said " + question)
    connection.close()

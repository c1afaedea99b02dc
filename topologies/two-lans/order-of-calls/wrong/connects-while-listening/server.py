import socket
import sys

port = int(sys.argv[1])
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.bind(("", port))
listening.listen()
listening.connect(("client", port))
while True:
    connection, _ = listening.accept()
    question = connection.recv(4096)
    connection.sendall(b"you said " + question)
    connection.close()

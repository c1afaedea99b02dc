"""Answers each client's question, one line, by "you said" and the question. Its argument is the port."""

import socket
import sys

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listening.bind(("", int(sys.argv[1])))
listening.listen()
while True:
    connection, _ = listening.accept()
    question = b""
    while not question.endswith(b"\n") and (received := connection.recv(4096)):
        question += received
    connection.sendall(b"you said " + question)
    connection.close()

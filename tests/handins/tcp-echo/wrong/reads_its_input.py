"""Waits for a person at its keyboard; there is none."""

import socket

port = int(input("port? "))
with socket.create_server(("", port)) as listener:
    connection, _ = listener.accept()
    while data := connection.recv(4096):
        connection.sendall(data)

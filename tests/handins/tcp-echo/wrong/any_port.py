import socket

with socket.create_server(("", 0)) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

import socket

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
    listener.bind("/tmp/echo")
    listener.listen()
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

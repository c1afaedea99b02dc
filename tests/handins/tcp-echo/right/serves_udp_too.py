import socket
import sys
import threading


def datagrams():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", int(sys.argv[1])))
        while True:
            data, address = server.recvfrom(4096)
            server.sendto(data, address)


threading.Thread(target=datagrams, daemon=True).start()
with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)

"""epoll, edge-triggered: each event is read until nothing is left."""

import select
import socket
import sys

listener = socket.create_server(("", int(sys.argv[1])))
epoll = select.epoll()
epoll.register(listener, select.EPOLLIN)
connections = {}
while True:
    for fd, _ in epoll.poll():
        if fd == listener.fileno():
            connection, _ = listener.accept()
            connection.setblocking(False)
            connections[connection.fileno()] = connection
            epoll.register(connection, select.EPOLLIN | select.EPOLLET)
            continue
        connection = connections[fd]
        while True:
            try:
                data = connection.recv(4)
            except BlockingIOError:
                break
            if not data:
                epoll.unregister(fd)
                connections.pop(fd).close()
                break
            connection.setblocking(True)
            connection.sendall(data)
            connection.setblocking(False)

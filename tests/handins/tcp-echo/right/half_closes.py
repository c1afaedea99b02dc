"""shutdown() before close(), and partial sends into a buffer of its own."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        buffer = memoryview(bytearray(5))
        while count := connection.recv_into(buffer):
            sent = 0
            while sent < count:
                sent += connection.send(buffer[sent:count])
        connection.shutdown(socket.SHUT_WR)
        connection.close()

"""It tells the whole world what it does, on both outputs, in colours."""

import socket
import sys

NOISE = "\x1b[31m\x1b]0;title\x07" + "chatter " * 4000
with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, address = listener.accept()
        with connection:
            while data := connection.recv(4096):
                for _ in range(60):
                    print(NOISE, data)
                    print(NOISE, address, file=sys.stderr)
                connection.sendall(data)
            print("\x1b[2J\x00 bye", "\ud800".encode("utf-8", "surrogatepass"))

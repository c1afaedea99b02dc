"""Tells its name to whoever asks. Arguments: tcp or udp, the port, the name."""

import socket
import sys

protocol, port, name = sys.argv[1:]
own = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
try:
    own.bind(("", int(port)))
except OSError:
    print(f"port {port} is taken")
    sys.exit(1)
if protocol == "tcp":
    own.listen()
    connection, _ = own.accept()
    connection.sendall(f"{name}\n".encode())
    connection.close()
else:
    _, asker = own.recvfrom(100)
    own.sendto(f"{name}\n".encode(), asker)

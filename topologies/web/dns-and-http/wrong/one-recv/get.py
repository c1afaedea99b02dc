"""Gets a page by HTTP and prints its body. Arguments: host, port and path."""

import socket
import sys

host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with socket.create_connection((host, port), timeout=2) as connection:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = connection.recv(4096)
sys.stdout.buffer.write(answer.partition(b"\r\n\r\n")[2])

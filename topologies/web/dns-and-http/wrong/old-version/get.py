"""Gets a page by HTTP and prints its body. Arguments: host, port and path."""

import socket
import sys

host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with socket.create_connection((host, port), timeout=2) as connection:
    connection.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    with connection.makefile("rb") as answer:
        status = answer.readline().decode().split(" ", 2)[1]
        length = 0
        while (line := answer.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        body = answer.read(length)
sys.stdout.buffer.write(body)
sys.exit(status != "200")

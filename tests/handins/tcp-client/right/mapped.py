"""An IPv6 socket and a mapped IPv4 address: the packets are plain IPv4."""

import socket
import sys

address = socket.gethostbyname(sys.argv[1])
with socket.socket(socket.AF_INET6) as connection:
    connection.connect((f"::ffff:{address}", int(sys.argv[2])))
    connection.sendall(sys.stdin.buffer.read())
    connection.shutdown(socket.SHUT_WR)
    with connection.makefile("rb") as answer:
        sys.stdout.buffer.write(answer.read())

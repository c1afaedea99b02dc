"""Sends the text on standard input by five kinds of sockets. Arguments: a host, a port, an interface."""

import socket
import sys

host, port, interface = sys.argv[1], int(sys.argv[2]), sys.argv[3]
text = sys.stdin.buffer.read()

with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream:
    stream.connect((host, port))
    stream.sendall(text)

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram:
    datagram.sendto(text, (host, port))

with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as local:
    local.connect("\0greetings")
    local.sendall(text)

with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as no_transport:
    no_transport.sendto(b"hello\n", (host, 0))

with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as no_network:
    no_network.bind((interface, 0))
    own = no_network.getsockname()[4]
    no_network.send(b"\xff" * 6 + own + (0x88B5).to_bytes(2, "big"))

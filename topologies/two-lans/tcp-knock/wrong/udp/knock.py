"""Tells of each port of a host whether it is open, refused or silent. Arguments: the host, and ports."""

import socket
import sys

host, *ports = sys.argv[1:]
for port in ports:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.connect((host, int(port)))
        client.send(b"anybody there?")
        try:
            client.recv(100)
            print(port, "open")
        except ConnectionRefusedError:
            print(port, "refused")
        except TimeoutError:
            print(port, "silent")

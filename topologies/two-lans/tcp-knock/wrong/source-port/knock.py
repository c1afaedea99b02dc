"""Tells of each port of a host whether it is open, refused or silent. Arguments: the host, and ports."""

import socket
import sys

host, *ports = sys.argv[1:]
for port in ports:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind(("", 5000))
        client.settimeout(1.4)
        try:
            client.connect((host, int(port)))
            print(port, "open")
        except ConnectionRefusedError:
            print(port, "refused")
        except TimeoutError:
            print(port, "silent")

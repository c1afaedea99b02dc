"""Tells of each port of a host whether it is open, refused or silent. Arguments: the host, and ports."""

import socket
import sys

host, *ports = sys.argv[1:]
for port in ports:
    try:
        with socket.create_connection((host, int(port)), timeout=1.4):
            print(port, "open")
    except ConnectionRefusedError:
        print(port, "refused")
    except TimeoutError:
        print(port, "silent")

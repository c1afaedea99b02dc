"""Asks programs for their names. Arguments: the host, then tcp/PORT or udp/PORT for each; prints that and the name."""

import socket
import sys

host, *asked = sys.argv[1:]
for each in asked:
    protocol, _, port = each.partition("/")
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as program:
        program.settimeout(1.5)
        try:
            program.connect((host, int(port)))
            if protocol == "udp":
                program.send(b"who?\n")
            print(each, program.recv(100).decode("ascii", "replace").strip())
        except OSError as error:
            print(each, "no answer:", error)

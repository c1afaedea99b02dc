"""Tells its name to whoever asks. Arguments: tcp or udp, the port, the name."""

import socket
import sys

protocol, port, name = sys.argv[1:]
own = socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)

# 1. Give it the port. If another program has it, print "port … is taken" and end with exit code 1.

# 2. tcp: for each client, take the connection, send the name and a newline, close the connection.
#    udp: for each datagram, send one with the name and a newline to where it came from.

"""A TCP server that sends back what it receives. Its only argument is the port."""

import socket
import sys

port = int(sys.argv[1])
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# 1. Give the socket the port, at an address that packets from other machines carry, and let it listen.

# 2. Accept a connection.

# 3. Send back what arrives, until the client has closed; then close the connection, and accept the next one.

"""A TCP server that answers in capitals. Its only argument is the port."""

import socket
import sys

port = int(sys.argv[1])
server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# 1. Let the socket listen at the port.

# 2. Accept a connection.

# 3. Send back in capitals what arrives, until the client has closed; then close the connection.

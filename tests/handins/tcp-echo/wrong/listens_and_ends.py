"""The listener is in a child that outlives it for a moment only."""

import socket
import sys

socket.create_server(("", int(sys.argv[1]))).close()

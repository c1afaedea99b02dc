import socket
import sys

with socket.create_server(("10.0.1.10", int(sys.argv[1]))) as listener:
    listener.accept()

import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    connection, _ = listener.accept()
    time.sleep(60)

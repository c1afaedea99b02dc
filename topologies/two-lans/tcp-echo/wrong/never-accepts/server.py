import socket
import sys
import time

with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        time.sleep(60)

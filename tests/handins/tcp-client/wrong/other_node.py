import socket
import sys

connection = socket.socket()
connection.connect_ex(("r1", int(sys.argv[2])))

import socket
import sys

connection = socket.socket()
connection.connect_ex((sys.argv[1], int(sys.argv[2]) + 1))
sys.stdout.write(sys.stdin.read())

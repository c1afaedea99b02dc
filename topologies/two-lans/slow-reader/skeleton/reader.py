"""Reads 1000 bytes, pauses, and reads the rest. Arguments: host, port, and the pause in seconds."""

import socket
import sys

host, port, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)

# 1. Connect, read 1000 bytes and not one more, and print how many they are.

# 2. Pause.

# 3. Read until the server has closed, print how many bytes came in all, and close.

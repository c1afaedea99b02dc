"""Asks the questions of its standard input, and prints the answers. Arguments: host, port."""

import sys

host, port = sys.argv[1], int(sys.argv[2])
questions = sys.stdin.buffer.read()

# Connect to host and port, send the questions, receive an answer to each (a line is one), print them, and close.
# The way there and back takes 50 ms: how often do you have to wait for it?

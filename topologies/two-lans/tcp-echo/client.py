"""Sends its standard input line by line, closes its own direction, and prints all that comes back.

Ends with 0 if exactly that came back, else with 1. It never demands an answer before it has sent everything:
a server may answer each line, or each byte, or all of it at the end.
"""

import socket
import sys

PATIENCE = 0.5  # seconds to wait for the echo of a line before the next line is sent


def read_echo(connection, answer, length):
    """Read until `answer` has `length` bytes, the server has closed, or the patience is over."""
    connection.settimeout(PATIENCE)
    try:
        while len(answer) < length and (data := connection.recv(4096)):
            answer += data
    except TimeoutError:
        pass
    connection.settimeout(None)


host, port = sys.argv[1], int(sys.argv[2])
lines = sys.stdin.buffer.readlines()
text = b"".join(lines)
sent, answer = 0, bytearray()

with socket.create_connection((host, port)) as connection:
    for line in lines:
        connection.sendall(line)
        sent += len(line)
        if sent < len(text):
            read_echo(connection, answer, sent)
    connection.shutdown(socket.SHUT_WR)
    while data := connection.recv(4096):
        answer += data

sys.stdout.buffer.write(answer)
sys.exit(answer != text)

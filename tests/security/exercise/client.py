"""Sends its standard input line by line, closes its own direction, and prints all that comes back.

Ends with 0 if exactly that came back, else with 1. It does not insist on an answer before it has sent everything:
a server may answer each line, or each byte, or all of it at the end.
"""

import socket
import sys

ANSWER = 0.5  # seconds in which the echo of a line may come before the next line is sent
SILENCE = 0.2  # seconds in which a server that waits for the client's close says nothing more


def read(connection, answer, length, seconds):
    """Read until `answer` has `length` bytes, the server has closed, or the seconds are over."""
    connection.settimeout(seconds)
    try:
        while len(answer) < length and (data := connection.recv(4096)):
            answer += data
    except TimeoutError:
        pass
    connection.settimeout(None)


host, port = sys.argv[1], int(sys.argv[2])
sent, answer = b"", bytearray()

with socket.create_connection((host, port)) as connection:
    for line in sys.stdin.buffer:
        connection.sendall(line)
        sent += line
        read(connection, answer, len(sent), ANSWER)
    read(connection, answer, len(sent) + 1, SILENCE)
    connection.shutdown(socket.SHUT_WR)
    while data := connection.recv(4096):
        answer += data

sys.stdout.buffer.write(answer)
sys.exit(answer != sent)

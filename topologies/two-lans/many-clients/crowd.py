"""Opens a connection for each line of its input, then sends the lines, the last connection's first, and waits.

All connections stay open until every line has come back, or until a second is over; then they are closed in the order
in which they were opened. Ends with 0 if every line came back, else with 1.
"""

import socket
import sys
import time

PATIENCE = 1.0  # seconds for all answers together
FAREWELL = 1.0  # seconds for the server to close its side of a connection


def read(connection, length, deadline):
    """What comes until there are `length` bytes, the server has closed, or the time is over."""
    answer = b""
    try:
        while len(answer) < length and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            data = connection.recv(length - len(answer))
            if not data:
                break
            answer += data
    except OSError:
        pass
    return answer


address = sys.argv[1], int(sys.argv[2])
lines = list(sys.stdin.buffer)
opened = [(socket.create_connection(address, timeout=2), line) for line in lines]
for connection, line in reversed(opened):
    connection.sendall(line)
deadline = time.monotonic() + PATIENCE
right = [read(connection, len(line), deadline) == line for connection, line in reversed(opened)]
for connection, _ in opened:
    try:
        connection.shutdown(socket.SHUT_WR)
        read(connection, 1 << 16, time.monotonic() + FAREWELL)
        connection.close()
    except OSError as error:  # the server has reset it
        print(error, file=sys.stderr)
sys.exit(not all(right))

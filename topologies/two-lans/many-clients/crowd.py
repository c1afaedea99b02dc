"""Opens a connection for each line of its input, then sends each its line, the last connection's first.

The next line goes out when the one before has been answered: who answers the last connection has accepted them all, so
no server is right by luck. All connections stay open until every line has come back, or until a second is over; then
they are closed in the order in which they were opened. Ends with 0 if every line came back, else with 1.
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


def answered(connection, line, deadline):
    """Whether a line that we send comes back in time; it is sent in any case."""
    try:
        connection.sendall(line)
    except OSError:  # the server has reset it
        return False
    return read(connection, len(line), deadline) == line


address = sys.argv[1], int(sys.argv[2])
lines = list(sys.stdin.buffer)
opened = []
for line in lines:
    try:
        opened.append((socket.create_connection(address, timeout=2), line))
    except OSError as error:  # nobody listens there any more
        print(error, file=sys.stderr)
deadline = time.monotonic() + PATIENCE
right = [answered(connection, line, deadline) for connection, line in reversed(opened)]
for connection, _ in opened:
    try:
        connection.shutdown(socket.SHUT_WR)
        read(connection, 1 << 16, time.monotonic() + FAREWELL)
        connection.close()
    except OSError as error:  # the server has reset it
        print(error, file=sys.stderr)
sys.exit(not (len(right) == len(lines) and all(right)))

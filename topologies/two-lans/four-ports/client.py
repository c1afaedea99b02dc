"""Asks programs for their names. Arguments: the host, then tcp/PORT or udp/PORT for each; prints that and the name."""

import socket
import sys


def line(program):
    """What comes, up to the end of a line or of the stream: one recv() may bring less."""
    answer = b""
    while not answer.endswith(b"\n") and len(answer) < 100 and (data := program.recv(100)):
        answer += data
    return answer


host, *asked = sys.argv[1:]
for each in asked:
    protocol, _, port = each.partition("/")
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind) as program:
        program.settimeout(3)
        try:
            program.connect((host, int(port)))
            if protocol == "udp":
                program.send(b"who?\n")
            answer = line(program) if protocol == "tcp" else program.recv(100)
        except OSError as error:
            print(each, "no answer:", error)
        else:
            end = "" if answer.endswith(b"\n") else " and no newline"
            print(each, answer.decode("ascii", "replace").strip() + end)

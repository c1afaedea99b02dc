"""The teacher's web server: one page, read from stdin, sent in pieces. Argument: the port."""

import socket
import sys
import time

PAGE = sys.stdin.buffer.read()
ANSWERS = {b"/page.txt": ("200 OK", PAGE)}
NODELAY = socket.IPPROTO_TCP, socket.TCP_NODELAY, 1


def answer(connection):
    """Read one request up to the end of its head, and answer it."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(4096)
        if not received:
            return
        head += received
    words, *fields = head.partition(b"\r\n\r\n")[0].split(b"\r\n")
    names = [field.partition(b":")[0].lower() for field in fields]
    target = words.split(b" ")[1] if words.count(b" ") == 2 else b""
    status, body = ANSWERS.get(target, ("404 Not Found", b"no such page\n"))
    if b"host" not in names:
        status, body = "400 Bad Request", b"which host?\n"
    connection.setsockopt(*NODELAY)
    start = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for piece in (start, body[:9], body[9:]):
        connection.sendall(piece)
        time.sleep(0.05)  # so that the pieces travel, and arrive, by themselves
    while connection.recv(4096):
        pass


with socket.create_server(("", int(sys.argv[1]))) as listening:
    while True:
        accepted, _ = listening.accept()
        with accepted:
            try:
                answer(accepted)
            except ConnectionError:
                pass

"""The teacher's web server with TLS: one page, read from stdin. Arguments: the port, and a certificate with its key."""

import socket
import ssl
import sys

PAGE = sys.stdin.buffer.read()


def answer(connection):
    """Read one request up to the end of its head, tell it, and answer it."""
    head = b""
    while b"\r\n\r\n" not in head:
        received = connection.recv(4096)
        if not received:
            return
        head += received
    line = head.partition(b"\r\n")[0]
    print(line.decode(errors="replace"), flush=True)
    found = line.startswith(b"GET /story.txt ")
    status, body = ("200 OK", PAGE) if found else ("404 Not Found", b"no such page\n")
    # Without Content-Length all have to read to the end: who leaves with bytes unread, and be it an alert, sends RST.
    connection.sendall(f"HTTP/1.1 {status}\r\nConnection: close\r\n\r\n".encode())
    connection.sendall(body)
    connection.unwrap()  # says that nothing follows, and waits for the same


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2])
with socket.create_server(("", int(sys.argv[1]))) as listening:
    while True:
        accepted, _ = listening.accept()
        try:
            with context.wrap_socket(accepted, server_side=True) as secured:
                answer(secured)
        except OSError:  # ssl's errors are such too
            accepted.close()

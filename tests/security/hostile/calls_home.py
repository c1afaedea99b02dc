"""Tries to reach the outside by DNS and HTTP."""

from prelude import attempt, report_and_serve, socket

QUERY = bytes.fromhex("abcd01000001000000000000076578616d706c65036f72670000010001")


def ask(server):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as each:
        each.settimeout(0.1)
        each.sendto(QUERY, (server, 53))
        return each.recv(512)


def fetch(host):
    with socket.create_connection((host, 80), 0.1) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return connection.recv(100)


socket.setdefaulttimeout(0.1)
for server in ("127.0.0.11", "127.0.0.53", "127.0.0.1", "8.8.8.8", "1.1.1.1", "10.0.2.1", "172.17.0.1"):
    attempt(f"DNS {server}", ask, server)
attempt("name", socket.gethostbyname, "example.org")
for host in ("192.0.2.1", "93.184.215.14", "169.254.169.254", "172.17.0.1", "host.docker.internal"):
    attempt(f"HTTP {host}", fetch, host)
attempt("IPv6", socket.create_connection, ("2001:4860:4860::8888", 53), 0.1)
socket.setdefaulttimeout(None)
report_and_serve()

"""Tries the services of the machine that it runs on: on loopback, on its addresses, by abstract and named sockets."""

from prelude import attempt, os, report_and_serve, socket

PORTS, ADDRESSES, ABSTRACT, NAMED = [], [], "", ""  # the test's own stand here


def connect(address, port):
    with socket.create_connection((address, port), 0.1) as connection:
        return connection.recv(100)


def unix(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(0.1)
        connection.connect(path)
        return connection.recv(100)


for port in PORTS:
    for address in ("127.0.0.1", "::1", "127.1.2.3", *ADDRESSES):
        attempt(f"{address} port {port}", connect, address, port)
attempt("abstract socket", unix, "\0" + ABSTRACT)
attempt("named socket", unix, NAMED)
for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0",
             "/run/systemd/private", os.environ.get("SSH_AUTH_SOCK", "/run/agent")):  # fmt: skip
    attempt(path, unix, path)
attempt("vsock", lambda: socket.socket(40, socket.SOCK_STREAM).connect((2, 22)))
report_and_serve()

"""The programs that whole-story brings: what the impostor says of its clients, and where the server's answer ends."""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "topologies" / "web" / "whole-story"


@contextmanager
def running(program: str, certificate: str, given: bytes = b"") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """One of the exercise's programs on a free port of this machine, with what it is given on stdin."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, str(FOLDER / program), str(port), str(FOLDER / certificate)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        try:
            assert started.stdin is not None
            started.stdin.write(given)
            started.stdin.close()
            yield started, port
        finally:
            started.kill()


def connected(port: int) -> socket.socket:
    """A connection, as soon as the program listens."""
    end = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except ConnectionRefusedError:
            assert time.monotonic() < end
            time.sleep(0.02)


def hello(name: str = "www") -> bytes:
    """A ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def told(sent: bytes) -> str:
    """What the impostor prints of a client that sends these bytes, waits for what comes back, and goes."""
    with running("impostor.py", "impostor.pem") as (impostor, port):
        assert impostor.stdout is not None
        with connected(port) as client, suppress(ConnectionError):
            client.sendall(sent)
            if sent:
                client.recv(1)
        return impostor.stdout.readline().decode().strip()


def test_who_goes_without_a_word_has_refused() -> None:
    """asyncio closes where it does not trust a certificate, and sends no alert."""
    assert told(hello()) == "refused"


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n\r\n"])
def test_who_never_saw_the_certificate_has_refused_nothing(sent: bytes) -> None:
    assert told(sent).startswith("no TLS")


def test_a_second_try_without_a_look_at_the_certificate_is_seen() -> None:
    with running("impostor.py", "impostor.pem") as (impostor, port):
        assert impostor.stdout is not None
        for _ in range(2):
            with connected(port) as plain, pytest.raises(ssl.SSLError):
                ssl.create_default_context().wrap_socket(plain, server_hostname="www")
        anyone = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        anyone.check_hostname, anyone.verify_mode = False, ssl.CERT_NONE
        with connected(port) as plain, anyone.wrap_socket(plain) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            lines = [impostor.stdout.readline() for _ in range(2)]
    assert lines == [b"refused\n", b"was told GET / HTTP/1.1\n"]


def test_who_reads_the_answer_has_read_all() -> None:
    """With a Content-Length the standard library's client leaves the alert at the end unread, and so sends RST."""
    trusted = ssl.create_default_context(cafile=FOLDER / "ca.pem")
    with (
        running("server.py", "www.pem", b"a page\n") as (_, port),
        connected(port) as plain,
        trusted.wrap_socket(plain, server_hostname="www") as secured,
    ):
        asking = http.client.HTTPConnection("www")
        asking.sock = secured
        asking.request("GET", "/story.txt")
        answer = asking.getresponse()
        assert answer.length is None
        assert answer.read() == b"a page\n"

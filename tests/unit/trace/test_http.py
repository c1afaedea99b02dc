"""HTTP messages in a stream: whole ones, unfinished ones, and what no sender may write."""

import random

import pytest

from lab.trace.http import requests, responses

GET = b"GET /a HTTP/1.1\r\nHost: www\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\n"


def test_requests_one_behind_the_other() -> None:
    found = requests(GET + b"POST /b?c HTTP/1.1\r\nhost:www:80 \r\nContent-Length: 3\r\nX: \t\r\n\r\nabc")
    assert not found.problem
    first, second = found.messages
    assert (first.method, first.target, first.version, first.get("HOST"), first.body) == ("GET", "/a", "HTTP/1.1",
                                                                                         "www", b"")  # fmt: skip
    assert (second.method, second.target, second.body, second.get("x")) == ("POST", "/b?c", b"abc", "")
    assert (second.start, second.head_end, second.end) == (len(GET), found.rest - 3, found.rest)


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"GET / HTTP/1.1\nHost: x\n\n", "ends with LF alone"),
        (b"GET / HTTP/1.1\r\nHost: x\n\r\n", "ends with LF alone"),
        (b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "no request line"),
        (b"GET /\r\n\r\n", "no request line"),
        (b"hello\r\n", "no request line"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "not read here"),
        (b"GET / HTTP/1.1\r\n\r\n", "no Host field"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "2 Host fields"),
        (b"GET / HTTP/1.1\r\nHost x\r\n\r\n", "no header field"),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", "no header field"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n more\r\n\r\n", "begins with a space"),
        (b"GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", "no header field"),
        (b"GET / HTTP/1.1\rHost: a\r\n\r\n", "holds a CR"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "no number of bytes"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", "no number of bytes"),
        (b"P / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "stand together"),
        (b"P / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "end of a request's body is not known"),
        (b"P / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no chunk's size"),
        (b"P / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", "no CR and LF after a chunk"),
        (b"\x16\x03\x01\x02\x00", "no request line"),
        (b"G" * 70_000, "longer than 65536 bytes"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 1001 + b"\r\n", "more than 1000 fields"),
    ],
)
def test_what_is_no_request(stream: bytes, reason: str) -> None:
    found = requests(GET + stream)
    assert len(found.messages) == 1
    assert reason in found.problem
    assert not found.unfinished
    assert found.rest == len(GET)


@pytest.mark.parametrize("cut", range(1, len(GET)))
def test_a_beginning_is_unfinished(cut: int) -> None:
    found = requests(GET[:cut])
    assert (found.messages, found.unfinished) == ((), True)
    assert found.problem


def test_http_1_0_needs_no_host() -> None:
    assert requests(b"GET / HTTP/1.0\r\n\r\n").messages[0].version == "HTTP/1.0"


@pytest.mark.parametrize(
    ("stream", "method", "ended", "bodies"),
    [
        (OK + b"Content-Length: 2\r\n\r\nhi", "GET", False, [b"hi"]),
        (OK + b"Content-Length: 2\r\n\r\n", "HEAD", False, [b""]),
        (b"HTTP/1.1 204 \r\n\r\n", "GET", False, [b""]),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "GET", False, [b""]),
        (OK + b"\r\nall of it", "GET", True, [b"all of it"]),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n", "GET", False,
         [b"abc0123456789"]),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", "POST", False, [b"x"]),
        (b"HTTP/1.1 101 Switching\r\n\r\n\x81\x02hi", "GET", False, [b""]),
        ((OK + b"Content-Length: 1\r\n\r\nx") * 2, "GET", False, [b"x", b"x"]),
    ],
)  # fmt: skip
def test_responses(stream: bytes, method: str, ended: bool, bodies: list[bytes]) -> None:
    found = responses(stream, [method, method], ended)
    assert not found.problem
    assert [each.body for each in found.messages] == bodies


@pytest.mark.parametrize(
    ("stream", "reason", "unfinished"),
    [
        (OK + b"Content-Length: 5\r\n\r\nhi", "2 of the 5 bytes", True),
        (OK + b"\r\nsome of it", "until the connection is closed", True),
        (b"HTTP/1.1 200\r\n\r\n", "a space follows the status", False),
        (b"HTTP/1.1 999 No\r\n\r\n", "is no status", False),
        (b"HTTP/1.1 abc\r\n\r\n", "no status line", False),
        (b"<html>hello</html>\n", "LF alone", False),
    ],
)
def test_what_is_no_response(stream: bytes, reason: str, unfinished: bool) -> None:
    found = responses(stream, ["GET"], False)
    assert reason in found.problem
    assert found.unfinished is unfinished


def test_no_bytes_raise_anything() -> None:
    chance, whole = random.Random(1), 0
    chunks = b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    seeds = [GET * 2, b"P / HTTP/1.1\r\nHost: x\r\n" + chunks, OK + b"Content-Length: 2\r\n\r\nhi", OK + chunks]
    for _ in range(20_000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(5)):
            data[chance.randrange(len(data))] = chance.choice(b"\r\n :0\x00\xffa;,")
        stream = bytes(data[: chance.randrange(1, len(data) + 1)])
        for found in (requests(stream), responses(stream, ["GET"], chance.random() < 0.5)):
            assert found.rest <= len(stream)
            assert found.problem or found.rest == len(stream) or found.messages
            whole += len(found.messages)
    assert whole > 1000


def test_a_field_of_spaces_takes_no_time() -> None:
    assert requests(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b" " * 60_000 + b"x" + b" " * 5000 + b"\r\n\r\n").messages

"""HTTP/1.0 and HTTP/1.1 messages in a byte stream (RFC 9110, RFC 9112). Pure.

What a sender may not write is refused, also where a lenient receiver would guess at it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

LONGEST_LINE = 1 << 16
MOST_FIELDS = 1000
LONGEST_HEAD = 1 << 20

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) (HTTP/[0-9]\.[0-9])" % _TOKEN)
_STATUS_LINE = re.compile(rb"(HTTP/[0-9]\.[0-9]) ([0-9]{3})(?: ([\t -~\x80-\xff]*))?")
_NAME = re.compile(_TOKEN)
_VALUE = re.compile(rb"[\t -~\x80-\xff]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[\t ]*(?:;[\t -~\x80-\xff]*)?")


class _RefusedError(ValueError):
    """Bytes that are no HTTP, with the reason."""


class _UnfinishedError(Exception):
    """The stream ends inside a message; `what` is missing."""


@dataclass(frozen=True)
class Message:
    """What a request and a response have in common; `start`, `head_end` and `end` are offsets in the stream."""

    version: str
    fields: tuple[tuple[str, str], ...]
    body: bytes = field(repr=False)
    start: int
    head_end: int
    end: int

    def get(self, name: str) -> str | None:
        """A field's value by its name, whose case does not matter; several are joined by commas (RFC 9110 §5.3)."""
        found = [value for each, value in self.fields if each.lower() == name.lower()]
        return ", ".join(found) if found else None


@dataclass(frozen=True)
class Request(Message):
    """A request."""

    method: str = ""
    target: str = ""


@dataclass(frozen=True)
class Response(Message):
    """A response."""

    status: int = 0
    reason: str = ""


M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Parsed(Generic[M]):
    """The messages of a stream; `problem` says why what follows them, from offset `rest` on, is none.

    `unfinished` is set where the bytes are right so far and the message has no end.
    """

    messages: tuple[M, ...]
    rest: int
    problem: str = ""
    unfinished: bool = False


@dataclass(frozen=True)
class Head:
    """A head as far as it is there: the message has its whole lines, and no body.

    `whole` says whether the empty line that ends it is there, `problem` which of its lines is no HTTP.
    """

    message: Request | Response
    whole: bool
    problem: str = ""


def head(data: bytes) -> Head | None:
    """The head of a request or a response that begins with these bytes; None where none does."""
    try:
        line, at = _line(data, 0, "line")
    except (_RefusedError, _UnfinishedError):
        return None
    request, status = _REQUEST_LINE.fullmatch(line), _STATUS_LINE.fullmatch(line)
    if request is None and (status is None or not b"1" <= status[2][:1] <= b"5"):
        return None
    whole, problem = data.find(b"\r\n\r\n", at - 2) >= 0, ""
    fields: tuple[tuple[str, str], ...] = ()
    end = at
    try:
        # What has no end yet is given one behind its last whole line.
        fields, end = _fields(data if whole else data[: data.rfind(b"\r\n") + 2] + b"\r\n", at)
    except _RefusedError as error:
        problem = str(error)
    if request is not None:
        version, method, target = request[3].decode(), request[1].decode(), request[2].decode()
        return Head(Request(version, fields, b"", 0, end, end, method, target), whole, problem)
    assert status is not None
    reason = (status[3] or b"").decode("latin-1")
    return Head(Response(status[1].decode(), fields, b"", 0, end, end, int(status[2]), reason), whole, problem)


def requests(stream: bytes) -> Parsed[Request]:
    """The requests in a client's stream, however they were cut into segments; never raises."""
    found: list[Request] = []
    at = 0
    try:
        while at < len(stream):
            found.append(_request(stream, at))
            at = found[-1].end
    except _RefusedError as error:
        return Parsed(tuple(found), at, str(error))
    except _UnfinishedError as error:
        return Parsed(tuple(found), at, str(error), unfinished=True)
    return Parsed(tuple(found), at)


def responses(stream: bytes, methods: Sequence[str], ended: bool) -> Parsed[Response]:
    """The responses in a server's stream to requests of these methods; never raises.

    `ended` says that the stream has an end, which is also the end of a body without a length (RFC 9112 §6.3).
    Interim responses (1xx) are left out.
    """
    found: list[Response] = []
    at = 0
    try:
        while at < len(stream):
            method = methods[len(found)] if len(found) < len(methods) else ""
            response = _response(stream, at, method, ended)
            at = response.end
            if response.status >= 200 or response.status == 101:
                found.append(response)
            if response.status == 101 or (method == "CONNECT" and 200 <= response.status < 300):
                break  # what follows is another protocol's
    except _RefusedError as error:
        return Parsed(tuple(found), at, str(error))
    except _UnfinishedError as error:
        return Parsed(tuple(found), at, str(error), unfinished=True)
    return Parsed(tuple(found), at)


def _request(stream: bytes, start: int) -> Request:
    line, at = _line(stream, start, "request line")
    parts = _REQUEST_LINE.fullmatch(line)
    if parts is None:
        raise _RefusedError(f"{_shown(line)} is no request line: METHOD, a space, the target, a space, HTTP/1.1")
    version = _version(parts[3])
    fields, head_end = _fields(stream, at)
    made = Request(version, fields, b"", start, head_end, head_end, parts[1].decode(), parts[2].decode())
    hosts = sum(name.lower() == "host" for name, _ in fields)
    if version == "HTTP/1.1" and hosts != 1:
        what = "has no Host field" if not hosts else f"has {hosts} Host fields"
        raise _RefusedError(f"the request {what}, and HTTP/1.1 demands one")
    coded, length = _framing(made)
    if coded:
        if not coded.endswith("chunked"):
            raise _RefusedError(f"the end of a request's body is not known with Transfer-Encoding: {coded}")
        body, end = _chunked(stream, head_end)
    else:
        body, end = _counted(stream, head_end, length or 0)
    return Request(version, fields, body, start, head_end, end, made.method, made.target)


def _response(stream: bytes, start: int, method: str, ended: bool) -> Response:
    line, at = _line(stream, start, "status line")
    parts = _STATUS_LINE.fullmatch(line)
    if parts is None:
        raise _RefusedError(f"{_shown(line)} is no status line: HTTP/1.1, a space, three digits, a space")
    if parts[3] is None:
        raise _RefusedError(f"{_shown(line)} is no status line: a space follows the status, also without a reason")
    version, status = _version(parts[1]), int(parts[2])
    if not 100 <= status <= 599:
        raise _RefusedError(f"{status} is no status: those are 100 to 599")
    fields, head_end = _fields(stream, at)
    made = Response(version, fields, b"", start, head_end, head_end, status, parts[3].decode("latin-1"))
    coded, length = _framing(made)
    if method == "HEAD" or status < 200 or status in (204, 304) or (method == "CONNECT" and status < 300):
        return made
    if coded.endswith("chunked"):
        body, end = _chunked(stream, head_end)
    elif coded or length is None:
        if not ended:
            raise _UnfinishedError("the body has no Content-Length, so it goes on until the connection is closed")
        body, end = stream[head_end:], len(stream)
    else:
        body, end = _counted(stream, head_end, length)
    return Response(version, fields, body, start, head_end, end, status, made.reason)


def _version(text: bytes) -> str:
    if text not in (b"HTTP/1.0", b"HTTP/1.1"):
        raise _RefusedError(f"{_shown(text)} is not read here: HTTP/1.0 or HTTP/1.1")
    return text.decode()


def _line(stream: bytes, at: int, what: str) -> tuple[bytes, int]:
    """A line without its end, and where the next begins."""
    end = stream.find(b"\n", at, at + LONGEST_LINE)
    if end < 0:
        if len(stream) - at >= LONGEST_LINE:
            raise _RefusedError(f"a {what} is longer than {LONGEST_LINE} bytes")
        text = stream[at : at + 4]
        if text and any(byte < 32 and byte not in b"\r\t" for byte in text):
            raise _RefusedError(f"{_shown(stream[at : at + 16])} is no {what}")
        raise _UnfinishedError(f"the {what} does not end")
    line = stream[at:end]
    if not line.endswith(b"\r"):
        raise _RefusedError(f"the line {_shown(line)} ends with LF alone; a line of HTTP ends with CR and LF")
    if b"\r" in line[:-1]:
        raise _RefusedError(f"the line {_shown(line)} holds a CR")
    return line[:-1], end + 1


def _fields(stream: bytes, at: int) -> tuple[tuple[tuple[str, str], ...], int]:
    """The header fields up to the empty line, and where the body begins."""
    found: list[tuple[str, str]] = []
    start = at
    while True:
        try:
            line, at = _line(stream, at, "header field")
        except _UnfinishedError:
            raise _UnfinishedError("the head does not end: an empty line has to follow the last field") from None
        if not line:
            return tuple(found), at
        if line[:1] in (b" ", b"\t"):
            raise _RefusedError(f"the line {_shown(line)} begins with a space: a field may not go on over lines")
        name, colon, value = line.partition(b":")
        if not colon or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise _RefusedError(f"{_shown(line)} is no header field: a name, a colon, a value")
        found.append((name.decode(), value.strip(b"\t ").decode("latin-1")))
        if len(found) > MOST_FIELDS or at - start > LONGEST_HEAD:
            raise _RefusedError(f"a head with more than {MOST_FIELDS} fields, or longer than {LONGEST_HEAD} bytes")


def _framing(message: Message) -> tuple[str, int | None]:
    """The transfer codings, and the length of the body in bytes where one is given (RFC 9112 §6)."""
    coded = (message.get("Transfer-Encoding") or "").lower()
    written = message.get("Content-Length")
    if coded and written is not None:
        raise _RefusedError("Transfer-Encoding and Content-Length stand together")
    if coded and message.version == "HTTP/1.0":
        raise _RefusedError("Transfer-Encoding stands in a message of HTTP/1.0, which knows none")
    if written is None:
        return coded, None
    values = {each.strip() for each in written.split(",")}
    (value,) = values if len(values) == 1 else ("",)
    if not re.fullmatch("[0-9]{1,15}", value):
        raise _RefusedError(f"Content-Length is {_shown(written.encode())}, which is no number of bytes")
    return coded, int(value)


def _counted(stream: bytes, at: int, length: int) -> tuple[bytes, int]:
    if at + length > len(stream):
        raise _UnfinishedError(f"the body has {len(stream) - at} of the {length} bytes that Content-Length says")
    return stream[at : at + length], at + length


def _chunked(stream: bytes, at: int) -> tuple[bytes, int]:
    """The body put together from its chunks (RFC 9112 §7.1), trailer fields left out."""
    parts: list[bytes] = []
    while True:
        line, at = _line(stream, at, "chunk's size")
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise _RefusedError(f"{_shown(line)} is no chunk's size: a hexadecimal number")
        size = int(found[1], 16)
        if not size:
            _, at = _fields(stream, at)
            return b"".join(parts), at
        if at + size + 2 > len(stream):
            raise _UnfinishedError(f"a chunk has {len(stream) - at} of its {size} bytes")
        if stream[at + size : at + size + 2] != b"\r\n":
            raise _RefusedError("no CR and LF after a chunk")
        parts.append(stream[at : at + size])
        at += size + 2


def _shown(text: bytes) -> str:
    """At most 40 bytes, escaped."""
    plain = text[:40].decode("latin-1").encode("unicode_escape").decode()
    return f'"{plain}"' + ("…" if len(text) > 40 else "")

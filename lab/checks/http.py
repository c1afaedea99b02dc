"""`http`: a request and its response on the connection, read from the byte streams put together again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from lab.checks import causes, causes_talk
from lab.checks.answers import unanswered
from lab.checks.base import Cause, FrameRef
from lab.checks.connections import Connection, Seen
from lab.checks.diagnose import Fault
from lab.checks.names import count, quoted
from lab.checks.programs import trouble
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Choice, Int, Payload, Text, param
from lab.trace.flows import Side
from lab.trace.http import Parsed, Request, Response, requests, responses
from lab.trace.packets import Packet

_AT_ONCE = 250_000_000  # nanoseconds; whoever crashes does so sooner
_TARGET = r"(/|\*|https?://)[!-~]*"
# How the next message begins, perhaps cut off: by what could be no body's end that Content-Length left out.
_NEXT_REQUEST = re.compile(
    rb"([A-Z]+ [!-~]+ HTTP/1\.[01]\r|(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH) [!-~]*( [HTP/1.0]*\r?)?\Z)"
)
_NEXT_RESPONSE = re.compile(rb"HTTP/1\.[01] [0-9]{3} |H(T(T(P(/(1(\.([01]( [0-9]{0,3})?)?)?)?)?)?)?)?\Z")
_NOTHING = re.compile(rb"\Z")
_PORT = re.compile(r"^([^:]+|\[.*\]):[0-9]*$")  # the colons of an IPv6 address stand in brackets (RFC 3986 §3.2.2)
_METHOD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"


@dataclass(frozen=True)
class Http(TcpCheck):
    """A request of HTTP/1.1 or 1.0 as demanded, and its response, however the bytes were cut into segments.

    Judged is the nth request of each connection that is meant. Lines end with CR and LF, an empty line ends the head,
    HTTP/1.1 names the Host, and a body ends as its head says: by Content-Length, chunked, or (a response alone) with
    the connection. A response that begins before its request had arrived is none.
    """

    kind: ClassVar[str] = "http"
    claims: ClassVar[tuple[str, ...]] = ("C22",)
    rule: ClassVar[str] = "RFC 9112 §2 to §7; RFC 9110 §7.2, §9, §15"
    says: ClassVar[str] = (
        'client sent no HTTP request: the line "hello" ends with LF alone; a line of HTTP ends with CR and LF'
    )

    method: str = param(
        Text("a method such as GET", pattern=_METHOD), "the request's method", default="GET"
    )
    path: str | None = param(
        Text("a path such as /index.html", pattern=_TARGET), "the request's target; any by default", default=None
    )
    host: str | None = param(Text(longest=255), "the name in its Host field, a port aside", default=None)
    version: str | None = param(
        Choice("HTTP/1.1", "HTTP/1.0"), "the request's version; either by default", default=None
    )
    sends: bytes | None = param(Payload(), "the request's body, decoded", default=None)
    status: int = param(Int(200, 599), "the response's status", default=200)
    body: bytes | None = param(Payload(), "the response's body, decoded", default=None)
    exchange: int = param(Int(1, 1000), "which request of the connection is judged", default=1)

    def doubts(self) -> Iterable[str]:
        """Why no response can be meant (RFC 9112 §6.3)."""
        if self.body and (self.method == "HEAD" or self.status in (204, 304)):
            yield f"a response {'to HEAD' if self.method == 'HEAD' else self.status} has no body"

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        asked = f"{self.method} {self.path or 'some target'}" + (f" of host {self.host}" if self.host else "")
        asked += f" by {self.version}" if self.version else ""
        answer = str(self.status) + (f" and {quoted(self.body)}" if self.body is not None else "")
        which = f", as request {self.exchange} of the connection" if self.exchange > 1 else ""
        return f"{self.source} asks {self.to} for {asked}{which}; {self.to} answers {answer}"

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """What is wrong with the request, then with the response."""
        first, *others = connection.views
        for other in others:
            asked = first.client.stream.startswith(other.client.stream)
            if not (asked and other.server.stream.startswith(first.server.stream)):  # the end of it may have been lost
                text = f"the bytes that {first.node} saw are not those that {other.node} saw"
                return Fault(text, causes.altered(text))
        for view in connection.views:
            for side, name in ((view.client, self.source), (view.server, self.to)):
                if side.missing or side.inconsistent is not None:
                    text = f"bytes of {name} are missing, or contradict each other, at {view.node}"
                    return Fault(text, causes.altered(text), view.frames(*(s.packet for s in side.segments[:3])))
        return self._request_fault(evidence, first) or self._response_fault(evidence, first)

    def _request_fault(self, evidence: Evidence, view: Seen) -> Fault | None:
        found = requests(view.client.stream)
        if len(found.messages) < self.exchange:
            asked = count(len(found.messages), "whole request")
            seen = f"{self.source} sent {asked}" if found.messages else f"{self.source} sent no HTTP request"
            return self._no_message(evidence, view, self.source, view.client, found.rest, found.problem,
                                    found.unfinished, seen)  # fmt: skip
        request = found.messages[self.exchange - 1]
        frames = _frames(view, view.client, request.start, request.end)
        host = _PORT.sub(r"\1", request.get("Host") or "")
        for what, wanted, got in (
            ("method", self.method, request.method),
            ("target", self.path, request.target),
            ("Host", self.host and self.host.lower(), host.lower()),
            ("version", self.version, request.version),
        ):
            if wanted is not None and wanted != got:
                seen = f"{self.source} asked {request.method} {request.target} of {host or 'no host'}"
                differs = f"the {what} of the request is {quoted(got.encode())}, not {quoted(wanted.encode())}"
                cause = Cause("wrong-request", differs, "the bytes given to send(): the request line and Host")
                return Fault(seen, cause, frames)
        if self.sends is not None and request.body != self.sends:
            seen = f"the body of the request of {self.source} is {quoted(request.body)}, not {quoted(self.sends)}"
            return Fault(seen, Cause("wrong-request", seen, "the body, and its Content-Length in bytes"), frames)
        if request.method == "CONNECT":
            return None
        return self._left_over(view, self.source, view.client, found, _NEXT_REQUEST)

    def _response_fault(self, evidence: Evidence, view: Seen) -> Fault | None:
        asked = requests(view.client.stream).messages
        ended = view.server.fin is not None
        found = responses(view.server.stream, [each.method for each in asked], ended)
        request = asked[self.exchange - 1]
        if len(found.messages) < self.exchange:
            seen = f"{self.to} sent no whole response to {request.method} {request.target}"
            return self._no_message(evidence, view, self.to, view.server, found.rest, found.problem,
                                    found.unfinished, seen)  # fmt: skip
        response = found.messages[self.exchange - 1]
        frames = _frames(view, view.server, response.start, response.end)
        if fault := self._too_early(view, request, response):
            return fault
        if request.version == "HTTP/1.0" and response.get("Transfer-Encoding") is not None:
            seen = f"{self.to} answered a request of HTTP/1.0 with Transfer-Encoding, which that does not know"
            cause = Cause("not-http", seen, "how the end of the body is told to a client of HTTP/1.0 (RFC 9112 §6.1)")
            return Fault(seen, cause, frames)
        if response.status != self.status:
            seen = f"{self.to} answered {response.status} {response.reason}".rstrip()
            cause = Cause("wrong-status", f"{seen} to {request.method} {request.target}, where {self.status} is asked "
                          "for", "what is asked for, and how the server finds it")  # fmt: skip
            return Fault(seen, cause, frames)
        if self.body is not None and response.body != self.body:
            seen = f"the body of the response is {quoted(response.body)}, not {quoted(self.body)}"
            return Fault(seen, Cause("wrong-body", seen, "the body, and its Content-Length in bytes"), frames)
        if request.method == "CONNECT" and response.status < 300:
            return None  # what follows goes through the tunnel
        told = requests(view.client.stream)
        if len(told.messages) > self.exchange or told.problem:
            return self._left_over(view, self.to, view.server, found, _NEXT_RESPONSE)
        return self._unasked(view, found) or self._left_over(view, self.to, view.server, found, _NOTHING)

    def _unasked(self, view: Seen, found: Parsed[Response]) -> Fault | None:
        """One more response than was asked for (RFC 9112 §6.3), but that the client was silent for too long."""
        more = [each for each in found.messages[self.exchange :] if each.status != 408]
        if not more:
            return None
        seen = f"{self.to} answered the last request {count(1 + len(more), 'time')}"
        return Fault(seen, Cause("left-over", seen, "how often the response is sent"),
                     _frames(view, view.server, more[0].start, view.server.sent))  # fmt: skip

    def _left_over(
        self, view: Seen, name: str, side: Side, found: Parsed[Any], following: re.Pattern[bytes]
    ) -> Fault | None:
        """Bytes right after the message that belong to none: the next message is another exchange's affair."""
        rest = side.stream[found.rest :]
        if not found.problem or len(found.messages) != self.exchange or following.match(rest):
            return None
        seen = f"{count(len(rest), 'byte')} of {name} follow the message and begin no other: {quoted(rest)}"
        cause = Cause("left-over", seen, "Content-Length, and what is sent behind the body")
        return Fault(seen, cause, _frames(view, side, found.rest, side.sent))

    def _too_early(self, view: Seen, request: Request, response: Response) -> Fault | None:
        """A response that left before the head of its request had come (bytes that the server acknowledged)."""
        start = view.client.first
        first = next((s.packet for s in view.server.segments if s.start <= response.start < s.end), None)
        if start is None or first is None:
            return None
        heard = (first.ack - start + 2**31) % 2**32 - 2**31
        if heard >= request.head_end:
            return None
        seen = f"{self.to} began to answer when {count(max(heard, 0), 'byte')} of the request had arrived"
        return Fault(seen, causes_talk.spoke_first(self.to, self.source), view.frames(first))

    def _no_message(
        self, evidence: Evidence, view: Seen, name: str, side: Side, rest: int, problem: str, unfinished: bool,
        seen: str,
    ) -> Fault:  # fmt: skip
        """Why one side's stream holds less messages than are asked for."""
        frames = _frames(view, side, rest, side.sent)
        if problem and not unfinished:
            cause = Cause("not-http", f"{name} sent what is no HTTP: {problem}", "the bytes given to send(), and how "
                          "each line ends")  # fmt: skip
            return Fault(f"{seen}: {problem}", cause, frames)
        blame = trouble(evidence, [name], submitted=True)
        if unfinished:
            seen = f"{seen}: {problem}"
            cause = Cause("unfinished", f"{name} did not end its message: {problem}",
                          "the empty line after the head, and Content-Length")  # fmt: skip
            if side is view.server and _gone(view) is not None:
                cause = causes_talk.closed_first(self.source, self.to)
                blame = trouble(evidence, [self.to, self.source], submitted=True)
            elif _waited(side):
                blame = None
            return Fault(seen, blame.cause if blame else cause, frames, timed=blame is None or blame.timed)
        other = view.client if side is view.server else view.server
        names = (name, self.to if name == self.source else self.source)
        missed = unanswered(evidence, view, side, other, names)
        blame = blame or trouble(evidence, [self.source, self.to], submitted=True)
        cause = blame.cause if blame else missed or causes_talk.nothing_sent(name)
        frames = frames or view.frames(*(each.packet for each in other.segments[:2]))
        return Fault(seen, cause, frames, timed=blame is None or blame.timed)

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The request and the response of the first connection, and the segments that carried them."""
        view = connections[0].views[0]
        asked = requests(view.client.stream).messages
        request = asked[self.exchange - 1]
        methods = [each.method for each in asked]
        response = responses(view.server.stream, methods, view.server.fin is not None).messages[self.exchange - 1]
        seen = (f"{self.source} asked {request.method} {request.target}"
                f"{' of ' + str(request.get('Host')) if request.get('Host') else ''}; {self.to} answered "
                f"{response.status} {response.reason}".rstrip()
                + f" with {count(len(response.body), 'byte')}")  # fmt: skip
        if len(connections) > 1:
            seen = f"{count(len(connections), 'connection')}, each: {seen}"
        return seen, (*_frames(view, view.client, request.start, request.end)[:3],
                      *_frames(view, view.server, response.start, response.end)[:3])  # fmt: skip


def _gone(view: Seen) -> Packet | None:
    """The packet by which the client, first of the two, left or broke off."""
    return view.client.reset or (view.client.fin if view.first_to_close() is view.client else None)


def _waited(side: Side) -> bool:
    """Whether a side ended well after its last byte, so that it had waited for an answer."""
    end = side.fin or side.reset
    return end is not None and bool(side.segments) and end.time - side.segments[-1].packet.time > _AT_ONCE


def _frames(view: Seen, side: Side, start: int, end: int) -> tuple[FrameRef, ...]:
    """The segments that brought the bytes of a stream from `start` to `end`."""
    return view.frames(*[s.packet for s in side.segments if s.start < end and s.end > start][:4])

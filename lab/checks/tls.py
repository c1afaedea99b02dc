"""`tls`: a handshake with the server's name comes first, and after it nothing can be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes, causes_talk
from lab.checks.answers import unanswered
from lab.checks.base import Cause, FrameRef
from lab.checks.connections import Connection, Seen
from lab.checks.diagnose import Fault
from lab.checks.names import count, quoted
from lab.checks.programs import trouble, unfinished
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Choice, Payload, Text, param
from lab.trace import tls
from lab.trace.flows import Side
from lab.trace.tls import ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, Record

_FINISHED = 53  # bytes of the least record with a Finished: 4 and 32, its type, and a tag of 16 (RFC 8446 §4.4.4, §5.2)
_ENCRYPTED_ALERT = 19  # 2, its type, and a tag of 16
_ENCRYPTED_NOTHING = {tls.TLS_1_3: 17, tls.TLS_1_2: 16}  # a type and a tag; a tag
_SHORTEST = {tls.TLS_1_3: 9, tls.TLS_1_2: 16}  # bytes that encryption adds at least: AES_128_CCM_8; a MAC by MD5
_PLAIN = re.compile(rb"[\t-\r -~]{32,}")  # what is encrypted looks so once in 10^13 records
_LEAST_HIDDEN = 4  # bytes; 3 stand by chance in one megabyte of sixteen
_VERSIONS = {"1.2": tls.TLS_1_2, "1.3": tls.TLS_1_3}


@dataclass(frozen=True)
class _Half:
    """One side's stream as records: those of the handshake in the clear, and those that are encrypted."""

    name: str
    side: Side
    records: tuple[Record, ...]

    def after_keys(self, version: int) -> list[Record]:
        """The records behind the change to its keys; TLS 1.3 marks them all as application data."""
        if version >= tls.TLS_1_3:
            return [each for each in self.records if each.kind == APPLICATION_DATA]
        changed = next((i for i, each in enumerate(self.records) if each.kind == CHANGE_CIPHER_SPEC), None)
        return list(self.records[changed + 1 :]) if changed is not None else []


@dataclass(frozen=True)
class Tls(TcpCheck):
    """A TLS handshake, from a ClientHello with the server's name on, and nothing but encrypted records after it.

    Both streams are TLS records from their first byte to their last. The server chooses TLS 1.2 or 1.3; the client
    finishes the handshake and then sends something. That a certificate was verified shows in no packet: only that the
    client went on after it. In TLS 1.3 what a record holds is hidden too; told apart are only lengths: those too short
    for a Finished, or, of the last record, as long as an alert.
    """

    kind: ClassVar[str] = "tls"
    claims: ClassVar[tuple[str, ...]] = ("C23",)
    rule: ClassVar[str] = "RFC 8446 §2, §4.1, §5; RFC 5246 §7; RFC 6066 §3 (server name)"
    says: ClassVar[str] = 'client sent "hello\\n" from the first byte on: no record begins with 0x68'

    name: str | None = param(Text(longest=255), "the name in the ClientHello; the node's by default", default=None)
    version: str = param(Choice("any", "1.2", "1.3"), "the version that the server chooses", default="any")
    hides: bytes | None = param(Payload(), "what must not be readable in either stream", default=None)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """What is as short as this is found by chance in bytes that are encrypted, and nothing is never found."""
        if self.hides is not None and len(self.hides) < _LEAST_HIDDEN:
            what = f"{count(len(self.hides), 'byte')} may stand in encrypted bytes by chance"
            yield "hides", what, f"say at least {_LEAST_HIDDEN} bytes of what the program sends"

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        version = "" if self.version == "any" else f" {self.version}"
        return (f"{self.source} begins with a ClientHello for {self._name}, {self.to} answers with a ServerHello, "
                f"and after the TLS{version} handshake nothing is readable")  # fmt: skip

    @property
    def _name(self) -> str:
        return self.name or self.to

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """The first thing that is wrong, in the order of the handshake."""
        first, *others = connection.views
        for other in others:
            asked = first.client.stream.startswith(other.client.stream)
            if not (asked and other.server.stream.startswith(first.server.stream)):  # the end of it may have been lost
                text = f"the bytes that {first.node} saw are not those that {other.node} saw"
                return Fault(text, causes.altered(text))
        for side, name in ((first.client, self.source), (first.server, self.to)):
            if side.missing or side.inconsistent is not None:
                text = f"bytes of {name} are missing, or contradict each other, at {first.node}"
                return Fault(text, causes.altered(text))
        return self._fault(evidence, first)

    def _fault(self, evidence: Evidence, view: Seen) -> Fault | None:
        client, server = self._half(view, self.source), self._half(view, self.to)
        for half in (client, server):
            if isinstance(half, Fault):
                return half
        assert isinstance(client, _Half)
        assert isinstance(server, _Half)
        if fault := self._silent(evidence, view, client) or self._hello_fault(view, client):
            return fault
        if fault := self._alert(evidence, view, (server, client)) or self._silent(evidence, view, server):
            return fault
        chosen = _chosen(server)
        if isinstance(chosen, str):
            frames = _frames(view, server.side, server.records[:1])
            return Fault(f"{self.to} sent no ServerHello: {chosen}", _strange(self.to, chosen), frames)
        frames = _frames(view, client.side, client.records[:1]) + _frames(view, server.side, server.records[:1])
        wanted = _VERSIONS.get(self.version)
        if chosen not in _VERSIONS.values() or (wanted is not None and chosen != wanted):
            seen = f"{self.to} chose {tls.version_name(chosen)}"
            look = "the versions that both sides allow (minimum_version, maximum_version)"
            return Fault(seen, Cause("wrong-version", seen, look), frames)
        halves = (client, server)
        return self._readable(view, halves, chosen) or self._unfinished(evidence, view, client, server, chosen)

    def _half(self, view: Seen, name: str) -> _Half | Fault:
        """One side's records, or what is none."""
        side = view.client if name == self.source else view.server
        found = tls.records(side.stream)
        if not found.problem or (found.unfinished and side.fin is None):
            return _Half(name, side, found.records)
        rest = side.stream[found.rest :]
        frames = view.frames(*[s.packet for s in side.segments if s.end > found.rest][:2])
        where = "after " + count(len(found.records), "record") if found.records else "from the first byte on"
        seen = f"{name} sent {quoted(rest)} {where}: {found.problem}"
        cause = Cause("not-tls", f"{name} sent bytes that are no TLS: {quoted(rest)}",
                      "which socket the bytes are given to: the one that TLS was wrapped around")  # fmt: skip
        return Fault(seen, cause, frames)

    def _silent(self, evidence: Evidence, view: Seen, half: _Half) -> Fault | None:
        """A side that sent no record."""
        if half.records:
            return None
        other = view.server if half.side is view.client else view.client
        names = (half.name, self.to if half.name == self.source else self.source)
        blame = trouble(evidence, [half.name, names[1]], submitted=True)
        late = unanswered(evidence, view, half.side, other, names)
        cause = blame.cause if blame else late or causes_talk.nothing_sent(half.name)
        frames = view.frames(*(each.packet for each in other.segments[:1]))
        return Fault(f"{half.name} sent nothing", cause, frames, timed=blame is None or blame.timed)

    def _hello_fault(self, view: Seen, client: _Half) -> Fault | None:
        frames = _frames(view, client.side, client.records[:1])
        messages = tls.handshake(client.records)
        problem = "its first record holds no ClientHello"
        if messages and messages[0][0] == tls.CLIENT_HELLO:
            try:
                hello = tls.client_hello(messages[0][1])
            except tls.MalformedError as error:
                problem = str(error)
            else:
                if hello.server_name.lower() == self._name.lower():
                    return None
                seen = (f"the ClientHello of {self.source} names {hello.server_name}, not {self._name}"
                        if hello.server_name else f"the ClientHello of {self.source} names no server")  # fmt: skip
                kind = "wrong-server-name" if hello.server_name else "no-server-name"
                look = "the server_hostname given to wrap_socket(): a server may have a certificate for each name"
                return Fault(seen, Cause(kind, seen, look), frames)
        return Fault(f"{self.source}: {problem}", _strange(self.source, problem), frames)

    def _alert(self, evidence: Evidence, view: Seen, halves: Sequence[_Half]) -> Fault | None:
        """An alert in the clear: the handshake came to nothing."""
        again = any(_asks_again(half) for half in halves)
        for half in halves:
            for record in half.records:
                if record.kind == APPLICATION_DATA or (record.kind == CHANGE_CIPHER_SPEC and not again):
                    break
                if record.kind == ALERT and record.content[:1] == b"\x02" and len(record.content) == 2:  # fatal
                    what = tls.ALERTS.get(record.content[1], f"alert {record.content[1]}")
                    seen = f"{half.name} broke the handshake off: {what}"
                    blame = trouble(evidence, [self.source, self.to], submitted=True)
                    cause = Cause("tls-alert", seen, "versions, certificate and name that both sides take")
                    return Fault(seen, blame.cause if blame else cause, _frames(view, half.side, (record,)))
        return None

    def _readable(self, view: Seen, halves: Sequence[_Half], version: int) -> Fault | None:
        """A record in the clear where none may be."""
        for half in halves:
            contents = b"".join(record.content for record in half.records)  # also across records
            if self.hides and (self.hides in half.side.stream or self.hides in contents):
                seen = f"{quoted(self.hides)} can be read in the bytes of {half.name}"
                cause = Cause("readable", seen, "which socket the bytes are given to")
                return Fault(seen, cause, _frames(view, half.side, half.records[-2:]))
            keyed = False
            for record in half.records:
                clear = record.kind == ALERT and len(record.content) == 2 and keyed
                late = record.kind == HANDSHAKE and keyed and version >= tls.TLS_1_3
                early = record.kind == APPLICATION_DATA and not keyed and version < tls.TLS_1_3
                if record.kind == APPLICATION_DATA and keyed and (
                    len(record.content) < _SHORTEST.get(version, 0) or _PLAIN.fullmatch(record.content)
                ):
                    seen = f"{half.name} sent {quoted(record.content)} as application data, which is not encrypted"
                    cause = Cause("readable", seen, "which layer writes the records: TLS itself, not the program")
                    return Fault(seen, cause, _frames(view, half.side, (record,)))
                if clear or late or early:
                    seen = f"{half.name} sent a record in the clear ({tls.KINDS[record.kind]}) after the handshake"
                    return Fault(seen, Cause("readable", seen, "what is sent beside TLS"),
                                 _frames(view, half.side, (record,)))  # fmt: skip
                marks = APPLICATION_DATA if version >= tls.TLS_1_3 else CHANGE_CIPHER_SPEC
                keyed = keyed or record.kind == marks
        return None

    def _unfinished(
        self, evidence: Evidence, view: Seen, client: _Half, server: _Half, version: int
    ) -> Fault | None:
        """A handshake that the client did not end, or after which it said nothing."""
        ours, theirs = client.after_keys(version), server.after_keys(version)
        least = _FINISHED if version >= tls.TLS_1_3 else 1
        blame = trouble(evidence, [self.source], submitted=True) or trouble(evidence, [self.to], submitted=True)
        late = unfinished(evidence, [self.source, self.to])
        frames = _frames(view, client.side, (ours or list(client.records))[-1:])
        # A client that has no certificate to show says so in a short record before its Finished (RFC 8446 §4.4.2).
        finished = next((place for place, each in enumerate(ours) if len(each.content) >= least), None)
        if finished is None or not theirs:
            name = self.to if ours and not theirs else self.source
            seen = f"{name} did not finish the handshake"
            if ours and theirs:
                seen = f"{self.source} broke the handshake off when it had seen the certificate of {self.to}"
            look = "whom the client trusts (its CA file), and whether the certificate is for the name that it asked for"
            cause = Cause("handshake-broken", seen, look)
            return Fault(seen, blame.cause if blame else cause, frames, blame.timed if blame else late)
        if not _spoke(ours[finished + 1 :], version):
            seen = f"{self.source} finished the handshake and then sent nothing"
            cause = causes_talk.nothing_sent(self.source)
            return Fault(seen, blame.cause if blame else cause, frames, blame.timed if blame else late)
        return None

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The hellos of the first connection, and how much followed."""
        view = connections[0].views[0]
        client, server = self._half(view, self.source), self._half(view, self.to)
        assert isinstance(client, _Half)
        assert isinstance(server, _Half)
        version = _chosen(server)
        assert isinstance(version, int)
        hello = tls.client_hello(tls.handshake(client.records)[0][1])
        offered = ", ".join(tls.version_name(each) for each in hello.versions if tls.version_name(each) != "reserved")
        ours, theirs = client.after_keys(version), server.after_keys(version)
        seen = (f"ClientHello for {hello.server_name} (offers {offered}); {self.to} chose {tls.version_name(version)}; "
                f"then {len(ours)} and {count(len(theirs), 'encrypted record')}, and nothing readable")  # fmt: skip
        if len(connections) > 1:
            seen = f"{count(len(connections), 'connection')}, each: {seen}"
        shown = ((client, client.records[:1]), (server, server.records[:1]), (client, ours[-1:]), (server, theirs[-1:]))
        return seen, tuple(dict.fromkeys(ref for half, few in shown for ref in _frames(view, half.side, few)[:2]))


def _spoke(after: Sequence[Record], version: int) -> bool:
    """Whether records behind a Finished hold a program's bytes; TLS 1.3 hides whether the last is an alert instead."""
    if version >= tls.TLS_1_3 and after and len(after[-1].content) == _ENCRYPTED_ALERT:
        after = after[:-1]  # whoever sent an alert sends nothing after it (RFC 8446 §6.1)
    least = _ENCRYPTED_NOTHING[version]
    return any(each.kind == APPLICATION_DATA and len(each.content) > least for each in after)


def _chosen(server: _Half) -> int | str:
    """The version that a server chose, or why that is not known; a request to try again is passed over."""
    rest = server.records
    for _ in range(2):
        messages = tls.handshake(rest)
        if not messages or messages[0][0] != tls.SERVER_HELLO:
            return "its first record holds something else"
        try:
            hello = tls.server_hello(messages[0][1])
        except tls.MalformedError as error:
            return str(error)
        if not hello.retry:
            return hello.version
        later = [i for i, each in enumerate(rest) if i and each.kind == HANDSHAKE]
        rest = rest[later[0] :] if later else ()
    return "it asks for another ClientHello over and over"


def _asks_again(half: _Half) -> bool:
    """Whether it began with a HelloRetryRequest, behind which a change of keys is for show (RFC 8446 §D.4)."""
    kind, body = next(iter(tls.handshake(half.records)), (0, b""))
    try:
        return kind == tls.SERVER_HELLO and tls.server_hello(body).retry
    except tls.MalformedError:
        return False


def _strange(name: str, problem: str) -> Cause:
    what = f"{name} did not begin with a hello of TLS: {problem}"
    return Cause("bad-hello", what, "the first bytes of the connection")


def _frames(view: Seen, side: Side, records: Sequence[Record]) -> tuple[FrameRef, ...]:
    """The segments that brought records."""
    if not records:
        return ()
    start, end = records[0].start, records[-1].end
    return view.frames(*[s.packet for s in side.segments if s.start < end and s.end > start][:3])

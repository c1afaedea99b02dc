"""The names that a node asked for by DNS, over UDP and over TCP, and what it was answered (RFC 1035, RFC 7766)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import dropwhile
from typing import Any

from lab.checks.base import FrameRef
from lab.checks.connections import Seen
from lab.checks.sightings import Sighted
from lab.dns.message import AAAA, CNAME, NO_ERROR, A, MalformedError, Message, decode, name_key
from lab.trace.flows import Side
from lab.trace.packets import UDP

PORT = 53


@dataclass(frozen=True)
class Lookup:
    """A query and the response to it: messages, the frames that hold them, and when they came (ns since 1970).

    `asker` is the address and port that asked. `problem` says why the query's bytes are no DNS message; `query` is
    then None.
    """

    query: Message | None
    asker: tuple[bytes, int]
    server: bytes
    asked: FrameRef
    answer: Message | None = None
    answered: FrameRef | None = None
    problem: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What was asked for."""
        return tuple(each.name for each in self.query.questions) if self.query else ()

    @property
    def frames(self) -> tuple[FrameRef, ...]:
        """Where both lie."""
        return (self.asked,) if self.answered is None else (self.asked, self.answered)

    def addresses(self) -> tuple[str, ...]:
        """The addresses that the answer gives for the name, also by way of another name (RFC 1034 §3.6.2)."""
        if self.answer is None or self.answer.rcode != NO_ERROR:
            return ()
        names = {name_key(name) for name in self.names}
        for record in self.answer.answers:
            if record.type == CNAME and name_key(record.name) in names:
                names.add(name_key(record.value))
        return tuple(
            record.value
            for record in self.answer.answers
            if record.type in (A, AAAA) and name_key(record.name) in names
        )


def lookups(sighted: Iterable[Sighted], conversations: Iterable[Seen], own: frozenset[bytes]) -> list[Lookup]:
    """All lookups of a node, `own` being its addresses; those over TCP follow those over UDP."""
    over_udp = _Lookups()
    for ref, packet in sighted:
        if packet.protocol != UDP:
            continue
        if packet.dport == PORT and packet.src in own:
            over_udp.asked(packet.payload, (packet.src, packet.sport), packet.dst, ref)
        elif packet.sport == PORT and packet.dst in own and packet.src not in own:
            over_udp.answered(packet.payload, (packet.dst, packet.dport), packet.src, ref)
    found = over_udp.found
    for seen in conversations:
        if seen.server.port == PORT and seen.client.address in own:
            found += _over_tcp(seen)
    return found


class _Lookups:
    """Queries, each with the first response that answers it and no query before it: it goes back between the same ends.

    Those that wait are found by all that a response has to match: a program may send very many.
    """

    def __init__(self) -> None:
        self.found: list[Lookup] = []
        self._open: defaultdict[tuple[Any, ...], deque[int]] = defaultdict(deque)

    def asked(self, data: bytes, asker: tuple[bytes, int], server: bytes, ref: FrameRef) -> None:
        """A query, or what was sent as one."""
        query, problem = None, "it is a response, not a query"
        try:
            query = decode(data)
        except MalformedError as error:
            problem = str(error)
        if query is None or query.response:
            self.found.append(Lookup(None, asker, server, ref, problem=problem))
            return
        self._open[server, asker, _key(query)].append(len(self.found))
        self.found.append(Lookup(query, asker, server, ref))

    def answered(self, data: bytes, asker: tuple[bytes, int], server: bytes, ref: FrameRef) -> None:
        """Put a response beside the query that it answers, if it answers one."""
        try:
            answer = decode(data)
        except MalformedError:
            return
        if answer.response and (waiting := self._open.get((server, asker, _key(answer)))):
            index = waiting.popleft()
            self.found[index] = replace(self.found[index], answer=answer, answered=ref)


def _key(message: Message) -> tuple[Any, ...]:
    """What a response has in common with its query: the identifier and the question (RFC 5452 §9.1)."""
    return message.id, *((name_key(each.name), each.type, each.klass) for each in message.questions)


def strays(sighted: Iterable[Sighted], query: Lookup) -> Iterator[Sighted]:
    """What came after a query with its identifier and question, but from elsewhere, or to another port than asked."""
    if query.query is None:
        return
    wanted = _key(query.query)
    for ref, packet in dropwhile(lambda each: each[0] != query.asked, sighted):
        if packet.protocol == UDP and packet.dst == query.asker[0]:
            try:
                answer = decode(packet.payload)
            except MalformedError:
                continue
            if answer.response and _key(answer) == wanted:
                yield ref, packet


def _over_tcp(seen: Seen) -> list[Lookup]:
    """Messages in both streams, each behind its length in two bytes (RFC 1035 §4.2.2)."""
    asker, server = (seen.client.address, seen.client.port), seen.server.address
    over_tcp = _Lookups()
    for data, ref in _messages(seen, seen.client):
        over_tcp.asked(data, asker, server, ref)
    for data, ref in _messages(seen, seen.server):
        over_tcp.answered(data, asker, server, ref)
    return over_tcp.found


def _messages(seen: Seen, side: Side) -> Iterator[tuple[bytes, FrameRef]]:
    """Each with the frame of the segment that brought its last byte first."""
    stream, at = side.stream, 0
    segments = side.segments
    later = sorted(range(len(segments)), key=lambda index: segments[index].start, reverse=True)
    begun: list[int] = []  # a heap of those that begin before the end of the message
    while at + 2 <= len(stream) and (end := at + 2 + int.from_bytes(stream[at : at + 2], "big")) <= len(stream):
        while later and segments[later[-1]].start < end:
            heappush(begun, later.pop())
        while begun and segments[begun[0]].end < end:
            heappop(begun)
        yield stream[at + 2 : end], seen.frame(segments[begun[0] if begun else -1].packet)
        at = end


def first_answer(found: Sequence[Lookup]) -> Lookup | None:
    """The first that was answered, whatever the answer."""
    return next((each for each in found if each.answer is not None), None)

"""The names that a node asked for by DNS, over UDP and over TCP, and what it was answered (RFC 1035, RFC 7766)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile

from lab.checks.base import FrameRef
from lab.checks.connections import Seen
from lab.checks.sightings import Sighted
from lab.dns.message import AAAA, CNAME, NO_ERROR, A, MalformedError, Message, decode, same_name
from lab.trace.flows import Side
from lab.trace.packets import UDP, Packet

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
        names = list(self.names)
        for record in self.answer.answers:
            if record.type == CNAME and any(same_name(record.name, name) for name in names):
                names.append(record.value)
        return tuple(
            record.value
            for record in self.answer.answers
            if record.type in (A, AAAA) and any(same_name(record.name, name) for name in names)
        )


def lookups(sighted: Iterable[Sighted], conversations: Iterable[Seen], own: frozenset[bytes]) -> list[Lookup]:
    """All lookups of a node, `own` being its addresses; those over TCP follow those over UDP."""
    found: list[Lookup] = []
    for ref, packet in sighted:
        if packet.protocol != UDP:
            continue
        if packet.dport == PORT and packet.src in own:
            found.append(_asked(packet.payload, (packet.src, packet.sport), packet.dst, ref))
        elif packet.sport == PORT and packet.dst in own and packet.src not in own:
            _answer(found, packet, ref)
    for seen in conversations:
        if seen.server.port == PORT and seen.client.address in own:
            found += _over_tcp(seen)
    return found


def _asked(data: bytes, asker: tuple[bytes, int], server: bytes, ref: FrameRef) -> Lookup:
    try:
        query = decode(data)
    except MalformedError as error:
        return Lookup(None, asker, server, ref, problem=str(error))
    problem = "it is a response, not a query" if query.response else ""
    return Lookup(None if problem else query, asker, server, ref, problem=problem)


def _answer(found: list[Lookup], packet: Packet, ref: FrameRef) -> None:
    """Put a response beside the query that it answers, if it answers one: it goes back between the same two ends."""
    try:
        answer = decode(packet.payload)
    except MalformedError:
        return
    ends = packet.src, (packet.dst, packet.dport)
    for index, each in enumerate(found):
        if each.answer is None and (each.server, each.asker) == ends and _answers(answer, each.query):
            found[index] = replace(each, answer=answer, answered=ref)
            return


def strays(sighted: Iterable[Sighted], query: Lookup) -> Iterator[Sighted]:
    """What came after a query with its identifier and question, but from elsewhere, or to another port than asked."""
    for ref, packet in dropwhile(lambda each: each[0] != query.asked, sighted):
        if packet.protocol == UDP and packet.dst == query.asker[0]:
            try:
                answer = decode(packet.payload)
            except MalformedError:
                continue
            if _answers(answer, query.query):
                yield ref, packet


def _answers(answer: Message, query: Message | None) -> bool:
    """Whether a response belongs to a query: its identifier and its question are the same (RFC 5452 §9.1)."""
    if query is None or not answer.response or answer.id != query.id or len(answer.questions) != len(query.questions):
        return False
    pairs = zip(answer.questions, query.questions, strict=True)
    return all(
        same_name(one.name, other.name) and (one.type, one.klass) == (other.type, other.klass) for one, other in pairs
    )


def _over_tcp(seen: Seen) -> Iterator[Lookup]:
    """Messages in both streams, each behind its length in two bytes (RFC 1035 §4.2.2)."""
    asker = seen.client.address, seen.client.port
    queries = [_asked(data, asker, seen.server.address, ref) for data, ref in _messages(seen, seen.client)]
    for data, ref in _messages(seen, seen.server):
        try:
            answer = decode(data)
        except MalformedError:
            continue
        for index, each in enumerate(queries):
            if each.answer is None and _answers(answer, each.query):
                queries[index] = replace(each, answer=answer, answered=ref)
                break
    yield from queries


def _messages(seen: Seen, side: Side) -> Iterator[tuple[bytes, FrameRef]]:
    stream, at = side.stream, 0
    while at + 2 <= len(stream) and (end := at + 2 + int.from_bytes(stream[at : at + 2], "big")) <= len(stream):
        yield stream[at + 2 : end], _frame_of(seen, side, end)
        at = end


def _frame_of(seen: Seen, side: Side, end: int) -> FrameRef:
    """The segment that brought the last byte before `end`."""
    holding = (each.packet for each in side.segments if each.start < end <= each.end)
    return seen.frame(next(holding, side.segments[-1].packet))


def first_answer(found: Sequence[Lookup]) -> Lookup | None:
    """The first that was answered, whatever the answer."""
    return next((each for each in found if each.answer is not None), None)

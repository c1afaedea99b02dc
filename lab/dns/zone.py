"""What a lab's name server knows, and what it answers: an authoritative server of all names there are. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from lab.dns.message import (
    AAAA,
    ANY,
    AUTHORITATIVE,
    FORMAT_ERROR,
    IN,
    NO_ERROR,
    NO_SUCH_NAME,
    NOT_IMPLEMENTED,
    NS,
    OPT,
    PTR,
    RECURSION_DESIRED,
    REFUSED,
    RESPONSE,
    SOA,
    TRUNCATED,
    A,
    MalformedError,
    Message,
    Question,
    Record,
    decode,
    encode,
    encode_name,
)

TTL = 300  # seconds
PLAIN_UDP = 512  # bytes of a response over UDP (RFC 1035, section 4.2.1)
MOST_UDP = 1232  # to who says that it takes more (RFC 6891): it then needs no fragments
_TIMERS = b"".join(each.to_bytes(4, "big") for each in (1, 3600, 600, 86400, TTL))


class Zone:
    """Addresses by name and names by address, from pairs of (address, name); `server` is the server's own name.

    Its zone is the root, so that it answers for every name: what it does not know does not exist.
    """

    def __init__(self, names: Iterable[tuple[str, str]], server: str) -> None:
        self._records: dict[str, list[Record]] = {"": []}
        for address, name in names:
            found = ip_address(address)
            kind = A if found.version == 4 else AAAA
            self._add(name, kind, found.packed, address)
            self._add(found.reverse_pointer, PTR, encode_name(name), name)
        start = encode_name(server) + encode_name(f"hostmaster.{server}") + _TIMERS
        self._add("", SOA, start, "")
        self._add("", NS, encode_name(server), server)
        self._start = self._records[""][0]

    def _add(self, name: str, kind: int, data: bytes, value: str) -> None:
        key = name.lower()
        self._records.setdefault(key, []).append(Record(name, kind, IN, TTL, data, value))
        while "." in key:  # what lies above a name exists too, without records of its own (RFC 8020)
            key = key.partition(".")[2]
            self._records.setdefault(key, [])

    def respond(self, data: bytes, *, udp: bool) -> bytes | None:
        """The response to a message; None where none is due: to a response, or to what has no header."""
        try:
            query = decode(data)
        except MalformedError:
            if len(data) < 12 or data[2] & 0x80:
                return None
            return encode(Message(int.from_bytes(data[:2], "big"), RESPONSE | FORMAT_ERROR))
        if query.response:
            return None
        response = self.answer(query)
        told = next((record for record in query.additionals if record.type == OPT), None)
        if told is not None:  # its class is the size that the asker takes (RFC 6891, section 6.1.2)
            response = replace(response, additionals=(Record("", OPT, MOST_UDP, 0, b""),))
        room = min(max(told.klass if told else 0, PLAIN_UDP), MOST_UDP) if udp else 0xFFFF
        out = encode(response)
        if len(out) > room:
            out = encode(replace(response, flags=response.flags | TRUNCATED, answers=(), authorities=()))
        return out

    def answer(self, query: Message) -> Message:
        """The response to a query, as a value."""
        flags = RESPONSE | (query.flags & RECURSION_DESIRED) | query.opcode << 11
        if query.opcode:
            return Message(query.id, flags | NOT_IMPLEMENTED, query.questions)
        if len(query.questions) != 1:
            return Message(query.id, flags | FORMAT_ERROR, query.questions)
        (question,) = query.questions
        if question.klass not in (IN, ANY):
            return Message(query.id, flags | REFUSED, query.questions)
        flags |= AUTHORITATIVE
        known = self._records.get(question.name.lower())
        answers = tuple(_as_asked(each, question) for each in known or () if question.type in (each.type, ANY))
        authorities = () if answers else (self._start,)  # RFC 2308, section 3
        rcode = NO_SUCH_NAME if known is None else NO_ERROR
        return Message(query.id, flags | rcode, query.questions, answers, authorities)


def _as_asked(record: Record, question: Question) -> Record:
    """The record under the name as it was asked for: the case of its letters comes back (RFC 4343, section 4.1)."""
    return replace(record, name=question.name)

"""DNS messages as bytes and as values (RFC 1035, section 4). Pure."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, OPT, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 33, 41, 255
TYPES = {
    A: "A",
    NS: "NS",
    CNAME: "CNAME",
    SOA: "SOA",
    PTR: "PTR",
    MX: "MX",
    TXT: "TXT",
    AAAA: "AAAA",
    SRV: "SRV",
    OPT: "OPT",
    ANY: "ANY",
}
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = range(6)
RCODES = ("NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED")
IN = 1
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_DESIRED = 0x8000, 0x0400, 0x0200, 0x0100
_NAMED = (NS, CNAME, PTR)  # their data are one name
_LONGEST_NAME = 255
_HEADER = struct.Struct("!6H")
_FIXED = struct.Struct("!HHIH")


class MalformedError(ValueError):
    """Bytes that are no DNS message."""


@dataclass(frozen=True)
class Question:
    """What is asked: a name without its last dot, and numbers for type and class."""

    name: str
    type: int
    klass: int = IN


@dataclass(frozen=True)
class Record:
    """A resource record; `data` as it was sent, `value` an address or a name in text, empty for other types."""

    name: str
    type: int
    klass: int
    ttl: int
    data: bytes
    value: str = ""


@dataclass(frozen=True)
class Message:
    """A query or a response; `flags` are the header's second word."""

    id: int
    flags: int
    questions: tuple[Question, ...] = ()
    answers: tuple[Record, ...] = ()
    authorities: tuple[Record, ...] = ()
    additionals: tuple[Record, ...] = ()

    @property
    def response(self) -> bool:
        """Whether it answers."""
        return bool(self.flags & RESPONSE)

    @property
    def opcode(self) -> int:
        """0 for a query."""
        return self.flags >> 11 & 15

    @property
    def rcode(self) -> int:
        """What a response says of how it went; see `RCODES`."""
        return self.flags & 15


def type_name(number: int) -> str:
    """The name of a type of records, else its number as RFC 3597 (section 5) writes it."""
    return TYPES.get(number, f"TYPE{number}")


def rcode_name(number: int) -> str:
    """The name of a response code."""
    return RCODES[number] if number < len(RCODES) else f"RCODE{number}"


def same_name(one: str, other: str) -> bool:
    """Whether two names are equal: case and a last dot do not count (RFC 1035, section 2.3.3)."""
    return name_key(one) == name_key(other)


def name_key(name: str) -> str:
    """What equal names have in common."""
    return name.rstrip(".").lower()


def decode(data: bytes) -> Message:
    """The message in these bytes; raises `MalformedError` for anything else, bytes left over among it."""
    if len(data) < _HEADER.size:
        raise MalformedError(f"a DNS header has 12 bytes, and here are {len(data)}")
    number, flags, *counts = _HEADER.unpack_from(data)
    at = _HEADER.size
    questions = []
    for _ in range(counts[0]):
        name, at = _name(data, at)
        kind, klass = struct.unpack_from("!HH", _part(data, at, 4))
        questions.append(Question(name, kind, klass))
        at += 4
    sections: list[tuple[Record, ...]] = []
    for count in counts[1:]:
        records = []
        for _ in range(count):
            record, at = _record(data, at)
            records.append(record)
        sections.append(tuple(records))
    if at != len(data):
        raise MalformedError(f"{len(data) - at} bytes follow the DNS message")
    return Message(number, flags, tuple(questions), *sections)


def _part(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise MalformedError("the DNS message ends too early")
    return data[at : at + size]


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends; pointers lead backwards only, so that every name ends (section 4.1.4)."""
    labels: list[str] = []
    length, end, least = 1, 0, at
    while True:
        size = _part(data, at, 1)[0]
        if size >= 0xC0:
            target = int.from_bytes(_part(data, at, 2), "big") & 0x3FFF
            end = end or at + 2
            if target >= least:
                raise MalformedError("a compressed name does not point backwards")
            at = least = target
            continue
        if size > 63:
            raise MalformedError(f"a label of a name begins with 0x{size:02x}")
        label = _part(data, at + 1, size)
        at += 1 + size
        if not size:
            return ".".join(labels), end or at
        length += 1 + size
        if length > _LONGEST_NAME:
            raise MalformedError(f"a name is longer than {_LONGEST_NAME} bytes")
        labels.append("".join(_letter(byte) for byte in label))


def _letter(byte: int) -> str:
    """A byte of a label as master files write it (section 5.1)."""
    if byte in b".\\":
        return f"\\{chr(byte)}"
    return chr(byte) if 33 <= byte < 127 else f"\\{byte:03d}"


def _record(data: bytes, at: int) -> tuple[Record, int]:
    name, at = _name(data, at)
    kind, klass, ttl, size = _FIXED.unpack(_part(data, at, _FIXED.size))
    at += _FIXED.size
    content = _part(data, at, size)
    value = ""
    if kind in (A, AAAA):
        if size != (4 if kind == A else 16):
            raise MalformedError(f"an {TYPES[kind]} record of {size} bytes")
        value = str(ip_address(content))
    elif kind in _NAMED:
        value, end = _name(data, at)
        if end != at + size:
            raise MalformedError(f"the name in a {TYPES[kind]} record does not fill it")
    return Record(name, kind, klass, ttl, content, value), at + size


def encode(message: Message) -> bytes:
    """The bytes of a message; names in it are plain, and those equal to the question's point to it."""
    sections: Sequence[Sequence[Record]] = (message.answers, message.authorities, message.additionals)
    out = _HEADER.pack(message.id, message.flags, len(message.questions), *map(len, sections))
    for question in message.questions:
        out += encode_name(question.name) + struct.pack("!HH", question.type, question.klass)
    asked = message.questions[0].name if message.questions else None
    for record in (record for section in sections for record in section):
        owner = b"\xc0\x0c" if record.name and record.name == asked else encode_name(record.name)
        out += owner + _FIXED.pack(record.type, record.klass, record.ttl, len(record.data)) + record.data
    return out


def encode_name(name: str) -> bytes:
    """A name's labels, each behind its length."""
    out, label = b"", bytearray()
    letters = iter(name.rstrip(".") and f"{name.rstrip('.')}.")
    for letter in letters:
        if letter == ".":
            out += bytes([len(label)]) + label
            label = bytearray()
        elif letter == "\\":
            following = next(letters)
            if following.isdigit():
                label.append(int(following + next(letters) + next(letters)))
            else:
                label += following.encode()
        else:
            label += letter.encode()
    return out + b"\0"

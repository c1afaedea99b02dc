"""Frames of several capture points become one pcapng file, with names and comments (draft-ietf-opsawg-pcapng)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import BinaryIO

from lab.trace.pcapng import SECTION
from lab.trace.records import LARGEST

_INTERFACE, _NAMES, _ENHANCED = 1, 4, 6
_COMMENT, _IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL, _USER_APPLICATION = 1, 2, 3, 9, 4
_IPV4_NAME, _IPV6_NAME = 1, 2
_LONGEST = 0xFFFF  # bytes of an option, whose length has 16 bits


@dataclass(frozen=True, slots=True)
class Record:
    """One frame: the index of its interface, its time in ns since 1970, length on the wire, bytes, and a comment."""

    interface: int
    time: int
    length: int
    data: bytes
    comment: str = ""


def write(
    stream: BinaryIO,
    interfaces: Iterable[tuple[str, str]],
    records: Iterable[Record],
    *,
    link_type: int,
    names: Mapping[str, str],
    application: str,
    comment: str = "",
) -> None:
    """Write one section: each interface as (name, description), the host names by their addresses, then the frames.

    Texts are cut where they are longer than an option can be. Times have a resolution of a nanosecond.
    """
    options = _option(_COMMENT, comment) + _option(_USER_APPLICATION, application)
    stream.write(_block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _ended(options)))
    for name, description in interfaces:
        options = _option(_IF_NAME, name) + _option(_IF_DESCRIPTION, description) + _raw_option(_IF_TSRESOL, b"\x09")
        stream.write(_block(_INTERFACE, struct.pack("<HHI", link_type, 0, LARGEST) + _ended(options)))
    if names:
        stream.write(_block(_NAMES, b"".join(_name(*each) for each in names.items()) + bytes(4)))
    for record in records:
        high, low = divmod(record.time, 1 << 32)
        head = struct.pack("<IIIII", record.interface, high, low, len(record.data), record.length)
        stream.write(_block(_ENHANCED, head + _padded(record.data) + _ended(_option(_COMMENT, record.comment))))


def _block(kind: int | bytes, body: bytes) -> bytes:
    size = struct.pack("<I", len(body) + 12)
    return (kind if isinstance(kind, bytes) else struct.pack("<I", kind)) + size + body + size


def _option(code: int, text: str) -> bytes:
    raw = text.encode()[:_LONGEST].decode(errors="ignore").encode()
    return _raw_option(code, raw) if raw else b""


def _raw_option(code: int, raw: bytes) -> bytes:
    return struct.pack("<HH", code, len(raw)) + _padded(raw)


def _ended(options: bytes) -> bytes:
    return options + bytes(4) if options else b""


def _name(address: str, name: str) -> bytes:
    """One record of a name resolution block (section 4.5)."""
    packed = ip_address(address).packed
    return _raw_option(_IPV4_NAME if len(packed) == 4 else _IPV6_NAME, packed + name.encode() + b"\0")


def _padded(raw: bytes) -> bytes:
    return raw + bytes(-len(raw) % 4)

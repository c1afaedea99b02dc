"""The byte stream between `lab` and its agent: frames of a kind, a number and some bytes. Pure; used on both ends."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

Message = dict[str, Any]

JSON, STDIN, STDOUT, STDERR, CALLS = range(5)  # kinds; a frame of a stream without bytes is its end
CHUNK = 1 << 16  # bytes of a stream in one frame
WINDOW = 1 << 20  # bytes of a standard input that may be on their way

_HEADER = struct.Struct(">IBI")
_ENGINE_HEADER = struct.Struct(">B3xI")
ENGINE_STDOUT, ENGINE_STDERR = 1, 2


def pack(kind: int, number: int, content: bytes) -> bytes:
    """One frame; `number` is the program's that a stream belongs to."""
    return _HEADER.pack(len(content), kind, number) + content


def pack_message(message: Message) -> bytes:
    """One frame with a message."""
    return pack(JSON, 0, json.dumps(message).encode())


def unpack_message(content: bytes) -> Message:
    """The message of a frame."""
    message: Message = json.loads(content)
    return message


class Frames:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Take what came, give every whole frame as (kind, number, content)."""
        self._data += data
        start = 0
        while len(self._data) - start >= _HEADER.size:
            length, kind, number = _HEADER.unpack_from(self._data, start)
            end = start + _HEADER.size + length
            if len(self._data) < end:
                break
            yield kind, number, bytes(self._data[start + _HEADER.size : end])
            start = end
        del self._data[:start]


class EngineStreams:
    """Cuts what the Engine sends of a container without terminal into (stream, bytes); see its API, "attach"."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take what came, give every whole piece."""
        self._data += data
        start = 0
        while len(self._data) - start >= _ENGINE_HEADER.size:
            stream, length = _ENGINE_HEADER.unpack_from(self._data, start)
            end = start + _ENGINE_HEADER.size + length
            if len(self._data) < end:
                break
            yield stream, bytes(self._data[start + _ENGINE_HEADER.size : end])
            start = end
        del self._data[:start]

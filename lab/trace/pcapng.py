"""pcapng files become frames, as a stream (draft-ietf-opsawg-pcapng): both byte orders, any resolution of time."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from lab.trace.records import CHUNK, LARGEST, Frame, TraceError

SECTION = b"\x0a\x0d\x0d\x0a"  # reads the same in both byte orders
_INTERFACE, _OBSOLETE, _SIMPLE, _ENHANCED = 1, 2, 3, 6
_LONGEST_BLOCK = 1 << 24  # bytes, so that a damaged length cannot fill the memory
_LAST_SECOND = 253_402_300_799  # of the year 9999
_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_IF_NAME, _IF_TSRESOL, _IF_TSOFFSET = 2, 9, 14


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface description: `units` of a time stamp make a second, which counts from `offset` in seconds."""

    name: str
    link_type: int
    snap_length: int  # in bytes, 0: no limit
    units: int
    offset: int


class _MalformedError(Exception):
    """Why a block cannot be read."""


class Pcapng:
    """The frames of a pcapng stream, read once and in pieces, so that memory stays bounded.

    `interfaces` are those described so far, and `interface` is the index there of the frame that the iteration gave
    last: each is a capture point of its own. A simple packet has no time of its own; it gets that of the frame
    before. `problem` as in `Pcap`. `begun` are bytes that were taken from the stream before. Raises TraceError where
    the stream does not begin with a section header of version 1.
    """

    def __init__(self, stream: BinaryIO, name: str = "", begun: bytes = b"") -> None:
        header = begun + stream.read(16 - len(begun))
        if header[:4] != SECTION:
            raise TraceError(f"not a pcapng file: it begins with {header[:4].hex(' ')}", name)
        if len(header) < 16:
            raise TraceError(f"the section header is cut off: {len(header)} bytes, and 28 are needed", name)
        try:
            self._order = _section(header)
        except _MalformedError as why:
            raise TraceError(f"a damaged pcapng file: {why}", name) from None
        self.interfaces: list[Interface] = []
        self.interface = 0
        self.problem: str | None = None
        self._first = 0  # of this section, in `interfaces`
        self._frames = 0
        self._time = 0
        self._stream, self._begun = stream, header

    def __iter__(self) -> Iterator[Frame]:
        """The blocks one after another; what stands in the way ends the iteration as `problem`."""
        buffer, start, place = self._begun, 0, 0  # `place` is where `buffer` begins in the file
        while True:
            end = len(buffer)
            needed = 12
            while end - start >= needed:
                try:
                    size = self._size(buffer, start)
                    if start + size > end:
                        needed = size
                        break
                    frame = self._block(buffer, start, size)
                except _MalformedError as why:
                    self.problem = f"the block at byte {place + start}, after frame {self._frames}, is damaged: {why}"
                    return
                start += size
                if frame is not None:
                    yield frame
            more = self._stream.read(max(CHUNK, needed - (end - start)))
            if not more:
                if start < end:
                    self.problem = (
                        f"the block at byte {place + start}, after frame {self._frames}, is cut off: "
                        f"the file ends {end - start} bytes into it"
                    )
                return
            buffer, place, start = buffer[start:] + more, place + start, 0

    def _size(self, buffer: bytes, at: int) -> int:
        """The length of the block at `at`; a section header changes the byte order first."""
        if buffer.startswith(SECTION, at):
            if len(buffer) < at + 16:
                return 28  # the least that a section header has; its byte order is not there yet
            self._order = _section(buffer[at : at + 16])
        size: int = struct.unpack_from(self._order + "I", buffer, at + 4)[0]
        if size < 12 or size % 4:
            raise _MalformedError(f"it says that it is {size} bytes long")
        if size > _LONGEST_BLOCK:
            raise _MalformedError(f"it says that it is {size} bytes long; {_LONGEST_BLOCK} are the most that is read")
        return size

    def _block(self, buffer: bytes, at: int, size: int) -> Frame | None:
        """The frame in a block, if it has one. Blocks of other types are skipped (section 3.1)."""
        kind, _ = struct.unpack_from(self._order + "II", buffer, at)
        (again,) = struct.unpack_from(self._order + "I", buffer, at + size - 4)
        if again != size:
            raise _MalformedError(f"its length is {size} at its beginning and {again} at its end")
        body, end = at + 8, at + size - 4
        if kind == _ENHANCED:
            _hold(end - body, 20)
            index, high, low, kept, length = struct.unpack_from(self._order + "IIIII", buffer, body)
            return self._frame(buffer, body + 20, end, index, high << 32 | low, kept, length)
        if kind == _OBSOLETE:
            _hold(end - body, 20)
            index, _, high, low, kept, length = struct.unpack_from(self._order + "HHIIII", buffer, body)
            return self._frame(buffer, body + 20, end, index, high << 32 | low, kept, length)
        if kind == _SIMPLE:
            _hold(end - body, 4)
            (length,) = struct.unpack_from(self._order + "I", buffer, body)
            kept = min(length, self._described(0).snap_length or length)
            return self._frame(buffer, body + 4, end, 0, None, kept, length)
        if kind == _INTERFACE:
            self.interfaces.append(_interface(buffer[body:end], self._order))
        elif buffer.startswith(SECTION, at):
            _hold(end - body, 16)
            self._first = len(self.interfaces)
        return None

    def _described(self, index: int) -> Interface:
        try:
            return self.interfaces[self._first + index]
        except IndexError:
            raise _MalformedError(f"its interface {index} is not described before it") from None

    def _frame(
        self, buffer: bytes, start: int, end: int, index: int, stamp: int | None, kept: int, length: int
    ) -> Frame:
        interface = self._described(index)
        if kept > LARGEST:
            raise _MalformedError(f"it claims {kept} captured bytes, more than any frame has")
        if start + kept > end:
            raise _MalformedError(f"it claims {kept} captured bytes and holds {end - start}")
        if stamp is not None:
            time = stamp * 1_000_000_000 // interface.units + interface.offset * 1_000_000_000
            if not 0 <= time // 1_000_000_000 <= _LAST_SECOND:
                raise _MalformedError("its time is not between the years 1970 and 9999")
            self._time = time
        self._frames += 1
        self.interface = self._first + index
        return self._frames, self._time, length, buffer[start : start + kept], interface.link_type


def _section(header: bytes) -> str:
    """The byte order that the first 16 bytes of a section header tell (section 4.1)."""
    order = _ORDERS.get(header[8:12])
    if order is None:
        raise _MalformedError(f"the byte order of the section is written as {header[8:12].hex(' ')}")
    major, minor = struct.unpack_from(order + "HH", header, 12)
    if major != 1:
        raise _MalformedError(f"it is of version {major}.{minor}, and only versions 1.x are known")
    return order


def _interface(body: bytes, order: str) -> Interface:
    """An interface description (section 4.2)."""
    _hold(len(body), 8)
    link_type, _, snap_length = struct.unpack_from(order + "HHI", body)
    options = _options(body[8:], order)
    resolution = options.get(_IF_TSRESOL, b"\x06")
    offset = options.get(_IF_TSOFFSET, bytes(8))
    if len(resolution) != 1 or len(offset) != 8:
        raise _MalformedError("the resolution or the offset of the interface's time has a wrong length")
    power = resolution[0] & 0x7F
    (seconds,) = struct.unpack(order + "q", offset)
    units = 2**power if resolution[0] & 0x80 else 10**power
    return Interface(options.get(_IF_NAME, b"").decode(errors="replace"), link_type, snap_length, units, seconds)


def _options(raw: bytes, order: str) -> dict[int, bytes]:
    """Options by their codes (section 3.5); of one that is repeated the last."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(raw):
        code, size = struct.unpack_from(order + "HH", raw, at)
        if code == 0:
            return found
        if at + 4 + size > len(raw):
            raise _MalformedError(f"its option {code} is longer than the block")
        found[code] = raw[at + 4 : at + 4 + size]
        at += 4 + (size + 3) // 4 * 4
    return found


def _hold(held: int, needed: int) -> None:
    if held < needed:
        raise _MalformedError(f"it holds {held} bytes, and {needed} are needed")

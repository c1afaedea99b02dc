"""Capture files become frames, as a stream: pcap (draft-ietf-opsawg-pcap) in both byte orders and resolutions."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from lab.trace import pcapng
from lab.trace.records import CHUNK, LARGEST, Frame, TraceError

__all__ = ["ETHERNET", "LARGEST", "Frame", "Pcap", "TraceError", "open_trace", "read", "write"]

ETHERNET = 1

# The magic number tells the byte order and how many nanoseconds one unit of the fraction is.
_MAGICS = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}


class Pcap:
    """The frames of a pcap stream, read once and in pieces, so that memory stays bounded.

    `snap_length` in bytes. After the iteration `problem` says why it ended early, or is None; the frames before
    that hold. `begun` are bytes that were taken from the stream before. Raises TraceError where the stream is not a
    pcap at all.
    """

    def __init__(self, stream: BinaryIO, name: str = "", begun: bytes = b"") -> None:
        header = begun + stream.read(24 - len(begun))
        if header[:4] not in _MAGICS:
            raise TraceError(_not_a_capture(header), name, "a file written by tcpdump or Wireshark is expected")
        self._order, self._unit = _MAGICS[header[:4]]
        if len(header) < 24:
            raise TraceError(f"the file header is cut off: {len(header)} bytes, and 24 are needed", name)
        self.snap_length, network = struct.unpack_from(self._order + "II", header, 16)
        self.link_type = network & 0x03FF_FFFF  # above it: whether frames end in a check sequence, and how long
        self.problem: str | None = None
        self.interface = 0  # the format has one, without a name
        self._stream = stream

    def __iter__(self) -> Iterator[Frame]:
        read, link_type, unit = self._stream.read, self.link_type, self._unit
        record = struct.Struct(self._order + "IIII").unpack_from
        number, start, buffer = 0, 0, b""
        while True:
            end = len(buffer)
            while start + 16 <= end:
                seconds, fraction, kept, length = record(buffer, start)
                if kept > LARGEST:
                    self.problem = f"frame {number + 1} claims {kept} captured bytes, more than any frame has"
                    return
                stop = start + 16 + kept
                if stop > end:
                    break
                number += 1
                yield number, seconds * 1_000_000_000 + fraction * unit, length, buffer[start + 16 : stop], link_type
                start = stop
            more = read(CHUNK)
            if not more:
                if start < end:
                    self.problem = f"frame {number + 1} is cut off: the file ends {end - start} bytes into its record"
                return
            buffer, start = buffer[start:] + more, 0


def read(stream: BinaryIO, name: str = "") -> Pcap:
    """Open a pcap stream; `name` is shown in errors. Raises TraceError."""
    return Pcap(stream, name)


def open_trace(stream: BinaryIO, name: str = "") -> Pcap | pcapng.Pcapng:
    """Open a capture of whatever format its first bytes name. Raises TraceError."""
    begun = stream.read(4)
    if begun == pcapng.SECTION:
        return pcapng.Pcapng(stream, name, begun)
    return Pcap(stream, name, begun)


def write(
    stream: BinaryIO, frames: Iterable[tuple[int, bytes]], link_type: int = ETHERNET, snap_length: int = LARGEST
) -> None:
    """Write whole frames, each (time in ns since 1970, bytes), as a pcap of nanosecond resolution."""
    stream.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, snap_length, link_type))
    for time, data in frames:
        seconds, nanoseconds = divmod(time, 1_000_000_000)
        kept = data[:snap_length]
        stream.write(struct.pack("<IIII", seconds, nanoseconds, len(kept), len(data)) + kept)


def _not_a_capture(header: bytes) -> str:
    if not header:
        return "the file is empty"
    return f"not a capture file: it begins with {header[:4].hex(' ')}"

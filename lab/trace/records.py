"""What the formats of capture files have in common."""

from __future__ import annotations

from lab.errors import LabError

LARGEST = 262_144  # libpcap's MAXIMUM_SNAPLEN: a longer record is a damaged file, not a frame
CHUNK = 1 << 16  # bytes that are read at once: what fits into a cache is read twice as fast as a mebibyte

Frame = tuple[int, int, int, bytes, int]
"""number (from 1), time in ns since 1970, length on the wire, captured bytes, link type: `decode`'s arguments."""


class TraceError(LabError):
    """A file that is not a capture."""

"""Bytes that arrived in pieces are put together into the stream they came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stream:
    """`data` is what is known from offset 0 without a gap; `missing` are the gaps, each (start, end).

    `inconsistent` is the offset of the first byte that came twice and differed, or None.
    """

    data: bytes
    missing: tuple[tuple[int, int], ...]
    inconsistent: int | None


def assemble(pieces: Iterable[tuple[int, bytes]]) -> Stream:
    """Put (offset, bytes) pieces together, in the order of their arrival: of bytes that came twice the first count.

    Bytes before offset 0 are left out.
    """
    starts: list[int] = []
    parts: list[bytes] = []  # do not overlap, in the order of `starts`
    end = 0
    conflicts: list[int] = []
    for start, data in pieces:
        if start < 0:
            start, data = 0, data[-start:]
        if start >= end:  # the common case: in order
            if data:
                starts.append(start)
                parts.append(data)
                end = start + len(data)
        else:
            insert(starts, parts, start, data, conflicts)
            end = starts[-1] + len(parts[-1])

    missing, reached, whole = [], 0, len(parts)
    for index, start in enumerate(starts):
        if start > reached:
            whole = min(whole, index)
            missing.append((reached, start))
        reached = start + len(parts[index])
    return Stream(b"".join(parts[:whole]), tuple(missing), min(conflicts, default=None))


def insert(starts: list[int], parts: list[bytes], start: int, data: bytes, conflicts: list[int]) -> None:
    """Fill the gaps that `data` covers, and note where it contradicts what is there."""
    index = max(bisect_right(starts, start) - 1, 0)
    end, at = start + len(data), start
    while at < end:
        if index < len(starts) and starts[index] <= at:
            there, stop = starts[index], starts[index] + len(parts[index])
            until = min(stop, end)
            if until > at:
                old, new = parts[index][at - there : until - there], data[at - start : until - start]
                if old != new:
                    conflicts.append(at + next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b))
                at = until
            index += 1
        else:
            until = min(starts[index], end) if index < len(starts) else end
            starts.insert(index, at)
            parts.insert(index, data[at - start : until - start])
            at = until
            index += 1

"""Bytes of a stream that were passed over and not captured, in bounded memory."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.trace.flows import Side

_MOST = 1000  # holes that can still be filled; of older ones a late copy is taken for a repetition


@dataclass(slots=True, eq=False)
class Holes:
    """`size` is how many bytes of a stream, before the highest that was seen, no segment held so far."""

    size: int = 0
    _open: list[tuple[int, int]] = field(default_factory=list, repr=False)  # offsets, in their order

    def note(self, lost: int, reached: int, start: int, end: int) -> None:
        """Take a segment; `lost` says that it passes over what comes after `reached`."""
        if lost:
            self.skip(reached, start)  # `reached` counts a window probe's byte, which is sent and not taken
        elif start < end:
            self.fill(start, end)

    def skip(self, start: int, end: int) -> None:
        """The stream goes on at `end`; `start` is where it was seen to reach before."""
        if start < end:
            self.size += end - start
            self._open.append((start, end))
            del self._open[:-_MOST]

    def fill(self, start: int, end: int) -> None:
        """A segment held what is from `start` to `end`."""
        first = bisect_right(self._open, start, key=itemgetter(1))
        last = bisect_left(self._open, end, key=itemgetter(0))
        left = []
        for begin, stop in self._open[first:last]:
            low, high = max(begin, start), min(stop, end)
            self.size -= high - low
            left += [piece for piece in ((begin, low), (high, stop)) if piece[0] < piece[1]]
        self._open[first:last] = left
        del self._open[:-_MOST]


def uncaptured(side: Side, peer: Side) -> int:
    """How many bytes a side sent that were not captured, as later ones or acknowledgements prove.

    A FIN that was not captured looks like a byte and counts as one, unless the peer closed and nothing of its side was
    seen after it.
    """
    reached = max(side.direction.next or 0, side.sent)
    beyond = max((peer.highest_ack or 0) - reached, 0)
    if beyond and side.fin is None and peer.fin is not None:
        beyond -= 1
    return side.holes.size + beyond

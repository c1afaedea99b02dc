"""What one TCP segment is in the light of those before it: the rules of Wireshark's `tcp.analysis`, per capture point.

Sequence numbers are offsets here: unwrapped from modulo 2**32, and 0 is the first byte after the sender's SYN.
The rules only see what passed the capture point, so they tell what is likely and not what the sender meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from lab.trace.numbers import ACK, FIN, RST, SYN

RETRANSMISSION, FAST, SPURIOUS, OUT_OF_ORDER, LOST_BEFORE, ACKED_UNSEEN = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20
DUPLICATE_ACK, KEEP_ALIVE, KEEP_ALIVE_ACK = 0x40, 0x80, 0x100
ZERO_WINDOW, WINDOW_PROBE, WINDOW_PROBE_ACK, WINDOW_UPDATE, WINDOW_FULL = 0x200, 0x400, 0x800, 0x1000, 0x2000
PORT_REUSED = 0x4000

NAMES = {
    RETRANSMISSION: "retransmission",
    FAST: "fast-retransmission",
    SPURIOUS: "spurious-retransmission",
    OUT_OF_ORDER: "out-of-order",
    LOST_BEFORE: "lost-before",
    ACKED_UNSEEN: "acked-unseen",
    DUPLICATE_ACK: "duplicate-ack",
    KEEP_ALIVE: "keep-alive",
    KEEP_ALIVE_ACK: "keep-alive-ack",
    ZERO_WINDOW: "zero-window",
    WINDOW_PROBE: "window-probe",
    WINDOW_PROBE_ACK: "window-probe-ack",
    WINDOW_UPDATE: "window-update",
    WINDOW_FULL: "window-full",
    PORT_REUSED: "port-reused",
}

_HALF, _MASK = 1 << 31, (1 << 32) - 1
_SPECIAL, _NUMBERED = SYN | FIN | RST, SYN | FIN  # those that have a sequence number of their own are numbered
_FAST_WITHIN = 20_000_000  # ns after the last duplicate acknowledgement
_REORDERED_WITHIN = 3_000_000  # ns after the highest segment, where the connection's round trip is unknown


@dataclass(slots=True, eq=False)
class Direction:
    """What one side has sent so far, as offsets; times in nanoseconds."""

    next: int | None = None  # after the highest byte (or SYN, FIN) sent
    next_time: int = 0  # when that went out
    acknowledgeable: int | None = None  # up to where all that was sent has been seen
    told: bool = False  # more than that was acknowledged, and nothing has been sent since
    ack: int | None = None  # the last acknowledgement, an offset of the other side
    ack_time: int = 0
    duplicates: int = 0  # acknowledgements that repeated `ack`
    window: int | None = None  # the last one, as written
    edge: int | None = None  # how far the other side may send by it; None: its scale is unknown
    shift: int | None = None  # window scale offered in the SYN, -1 if it offered none; None: the SYN was not seen
    syn: int = 0  # of the last segment's flags
    kinds: int = 0  # of the last segment


def unwrap(distance: int, near: int) -> int:
    """The offset that equals `distance` modulo 2**32 and lies nearest to `near`."""
    return near + ((distance - near + _HALF) & _MASK) - _HALF


@cache
def names(kinds: int) -> frozenset[str]:
    """The names of kinds that are given as bits: one set for all segments of the same kinds."""
    return frozenset(name for bit, name in NAMES.items() if kinds & bit)


def classify(
    sender: Direction,
    other: Direction,
    flags: int,
    seq: int,
    ack: int | None,
    size: int,
    window: int,
    time: int,
    rtt: int,
) -> int:
    """The kinds of a segment, as bits; updates both directions.

    `seq` and `ack` are offsets, `size` is the payload's in bytes, `window` as written in the header, `time` and the
    handshake's round trip `rtt` (0: unknown) in nanoseconds.
    """
    expected = sender.next
    special = flags & _SPECIAL
    end = seq + size
    if flags & _NUMBERED:
        end += 1
    moved = ack != sender.ack
    kinds = 0

    if seq == expected and window and not special and (size > 1 or (moved and not size)):  # most are such
        if size and end == other.edge:
            kinds = WINDOW_FULL
    elif size == 1 and seq == expected and other.window == 0:
        kinds = WINDOW_PROBE
    else:
        if not special and window == 0:
            kinds = ZERO_WINDOW
        if expected is not None and seq != expected:
            if seq > expected and not flags & RST:
                kinds |= LOST_BEFORE
            elif seq == expected - 1 and size <= 1 and not special:
                kinds |= KEEP_ALIVE
        if not special:
            if size:
                if seq + size == other.edge:
                    kinds |= WINDOW_FULL
            elif seq == expected and not moved:
                kinds |= _repeated(sender, other, window)
            elif (
                other.kinds & WINDOW_PROBE
                and seq == expected
                and window == 0 == sender.window
                and ack == (sender.ack or 0) + 1
            ):
                kinds |= WINDOW_PROBE_ACK
    if moved:
        sender.duplicates = 0
    if ack is not None and other.acknowledgeable is not None and ack > other.acknowledgeable and not other.told:
        kinds |= ACKED_UNSEEN
        other.acknowledgeable, other.told = other.next, True

    if end > seq and not kinds & KEEP_ALIVE and (seq != expected or (other.ack is not None and end <= other.ack)):
        kinds |= _again(sender, other, seq, size, end, time, rtt)
    if not kinds & WINDOW_PROBE:  # its byte may be sent again
        if expected is None or end > expected:
            sender.next, sender.next_time = end, time
        if sender.acknowledgeable is None or seq == sender.acknowledgeable:
            sender.acknowledgeable = sender.next
    sender.told = False
    sender.ack_time, sender.kinds = time, kinds
    if moved or window != sender.window or flags & SYN != sender.syn:
        sender.window, sender.ack, sender.syn = window, ack, flags & SYN
        sender.edge = None if ack is None else _edge(sender, other, ack, window)
    return kinds


def _edge(sender: Direction, other: Direction, ack: int, window: int) -> int | None:
    """How far the other side may send by the sender's last acknowledgement and window."""
    shift = sender.shift
    if shift is None:
        return ack + window if other.shift == -1 else None
    # RFC 7323 section 2.2: both must offer to scale, and no window is scaled in a SYN.
    if shift == -1 or other.shift == -1 or sender.syn:
        return ack + window
    return ack + (window << shift)


def _repeated(sender: Direction, other: Direction, window: int) -> int:
    """What an empty segment is that repeats the last sequence and acknowledgement numbers."""
    if window != sender.window:
        return WINDOW_UPDATE if window else 0
    if window == 0:
        return WINDOW_PROBE_ACK if other.kinds & WINDOW_PROBE else 0
    if other.kinds & KEEP_ALIVE:
        return KEEP_ALIVE_ACK
    sender.duplicates += 1
    return DUPLICATE_ACK


def _again(sender: Direction, other: Direction, seq: int, size: int, end: int, time: int, rtt: int) -> int:
    """Whether a segment with data, SYN or FIN was sent before, or came late."""
    expected = sender.next
    if size and other.ack is not None and seq + size <= other.ack:
        return SPURIOUS | RETRANSMISSION
    if expected is None or seq >= expected or (size > 1 and seq == expected - 1):
        return 0  # in the last case the byte before may have been a window probe
    if other.duplicates >= 2 and other.ack == seq and time - other.ack_time < _FAST_WITHIN:
        return FAST | RETRANSMISSION
    if end != expected and time - sender.next_time < (rtt or _REORDERED_WITHIN):
        return OUT_OF_ORDER
    return RETRANSMISSION


def completeness(flags: int, payload: bool, *, first: bool) -> int:
    """What a segment adds to `tcp.completeness`; `first` tells that none came before it.

    Of a SYN that is not the first nothing counts, and of what has no ACK neither its payload nor its FIN.
    """
    if flags & SYN:
        start = 2 if flags & ACK else 0 if not first else 9 if payload else 1
    else:
        start = 0 if not flags & ACK else 8 if payload else 4
    return start | (16 if flags & FIN and flags & ACK else 0) | (32 if flags & RST else 0)

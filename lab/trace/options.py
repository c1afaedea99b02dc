"""TCP options: raw header bytes become names and values."""

from __future__ import annotations

from struct import unpack

OptionValue = int | bytes | tuple[int, int] | tuple[tuple[int, int], ...] | None
Option = tuple[int, str, OptionValue]

END, NOP, MSS, WINDOW_SCALE, SACK_PERMITTED, SACK, TIMESTAMPS = 0, 1, 2, 3, 4, 5, 8

_NAMES = {
    MSS: "MSS",
    WINDOW_SCALE: "window scale",
    SACK_PERMITTED: "SACK permitted",
    SACK: "SACK",
    TIMESTAMPS: "timestamps",
    19: "MD5 signature",
    28: "user timeout",
    29: "authentication",
    30: "multipath TCP",
    34: "fast open",
}


def parse(raw: bytes) -> list[Option]:
    """Options as (kind, name, value), in their order (RFC 9293 section 3.1; RFC 7323 and 2018 for the later ones).

    The value is a number for MSS (bytes) and window scale (bits to shift), the pair (value, echo reply) for
    timestamps, pairs (left edge, right edge) for SACK, None where there is none, else the bytes. An option whose
    length cannot be is named "malformed", holds the rest and ends the list.
    """
    found: list[Option] = []
    at, end = 0, len(raw)
    while at < end:
        kind = raw[at]
        if kind == END:
            found.append((END, "end of options", None))
            break
        if kind == NOP:
            found.append((NOP, "NOP", None))
            at += 1
            continue
        length = raw[at + 1] if at + 1 < end else 0
        if length < 2 or at + length > end:
            found.append((kind, "malformed", raw[at:]))
            break
        found.append(_option(kind, raw[at + 2 : at + length]))
        at += length
    return found


def _option(kind: int, value: bytes) -> Option:
    name = _NAMES.get(kind, f"option {kind}")
    match kind, len(value):
        case (2, 2) | (3, 1):
            return kind, name, int.from_bytes(value, "big")
        case (4, 0):
            return kind, name, None
        case (5, size) if size and size % 8 == 0:
            edges = unpack(f"!{size // 4}I", value)
            return kind, name, tuple(zip(edges[::2], edges[1::2], strict=True))
        case (8, 8):
            sent, echoed = unpack("!II", value)
            return kind, name, (sent, echoed)
        case (2 | 3 | 4 | 5 | 8, _):
            return kind, "malformed", value
    return kind, name, value

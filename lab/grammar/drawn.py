"""Values that are drawn: other ones in each run (`lines`), or other ones for each student (`draw`).

What is drawn for a student comes from HMAC-SHA-256 (RFC 2104) under a key that only the teacher can make, so it can be
computed again at any time and not be guessed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from lab.grammar.base import Context, Grammar, Refused, Schema, wrong_shape
from lab.grammar.containers import Key, Struct
from lab.grammar.scalars import BYTES, Int, Size, Text
from lab.yaml.text import ListNode, MapNode, Node, Scalar, show

NOBODY = b"the values of nobody in particular"  # the key where no student is named
_TRIES = 1000
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_SIGNS = _LETTERS + "0123456789"
_SIZED = rf"([0-9]{{1,12}})({'|'.join(BYTES)})"


@dataclass(frozen=True)
class Drawn:
    """What is drawn for each student: a number, a token, a text or a subnet."""

    least: int = 0
    most: int = 0  # above 0: a number from least to most
    token: int = 0  # above 0: so many letters and digits
    text: int = 0  # above 0: lines of letters, so many bytes in all
    pool: str = ""  # a prefix of which a subnet of `length` is drawn
    length: int = 0

    def value(self, seed: bytes) -> str | int:
        """The value that follows from 32 random bytes."""
        number = int.from_bytes(seed)
        if self.token:
            return "".join(_SIGNS[each % 36] for each in _stream(seed, self.token))
        if self.text:
            letters = [_LETTERS[each % 26] for each in _stream(seed, self.text)]
            letters[63::64] = "\n" * len(letters[63::64])
            return "".join(letters[:-1]) + "\n"
        if self.pool:
            network = ip_network(self.pool)
            at = number % (1 << (self.length - network.prefixlen)) << (network.max_prefixlen - self.length)
            return f"{network.network_address + at}/{self.length}"
        return self.least + number % (self.most - self.least + 1)


def _stream(seed: bytes, size: int) -> bytes:
    return hashlib.shake_256(seed).digest(size)


def draw_all(wanted: Mapping[str, Drawn], key: bytes) -> dict[str, str | int]:
    """A value for each name, no two of them equal or, for subnets, overlapping; raises `Refused` where none is left."""
    found: dict[str, str | int] = {}
    for name, drawn in wanted.items():
        for attempt in range(_TRIES):
            value = drawn.value(hmac.digest(key, f"{name}\0{attempt}".encode(), "sha256"))
            if not any(_clash(value, other) for other in found.values()):
                found[name] = value
                break
        else:
            raise Refused(f"nothing is left to be drawn for {name}", "draw it from a larger range")
    return found


def _clash(one: str | int, other: str | int) -> bool:
    if one == other:
        return True
    if not (isinstance(one, str) and isinstance(other, str) and "/" in one and "/" in other):
        return False
    try:
        return ip_network(one).overlaps(ip_network(other))
    except (ValueError, TypeError):
        return False


class Value(Grammar["str | int | Drawn"]):
    """A value under `values:`: a text, a whole number where it looks like one and has no quotes, or a drawn one.

    Drawn lines are other ones in each run, so that no program can know them beforehand: letters from SHAKE-256 of the
    context's draw. Without a draw the value is its example. What is drawn for each student is a `Drawn`.
    """

    expected = "a text, a whole number, {lines: NUMBER, example: TEXT} or {draw: 20000-29999}"
    shapes: tuple[type, ...] = (Scalar, ListNode, MapNode)
    _drawn = Struct(
        "a drawn value",
        Key("lines", Int(1, 1000), "So many lines of random letters, other ones in each run"),
        Key("example", Text(longest=2**16), "What stands for the lines where nothing is run"),
        Key(
            "draw",
            Text(longest=100),
            "Another one for each student: a number (20000-29999), bytes (1KiB-8KiB), token, text, or a subnet of a "
            "prefix (10.64.0.0/10)",
        ),
        Key("length", Int(1, 128), "Of a token: its letters and digits, 12 by default; of a subnet: its prefix length"),
        Key("size", Size(2**16), "Of a text: its bytes, 64B by default"),
        one_of=("lines", "draw"),
        beside={"example": "lines", "length": "draw", "size": "draw"},
    )

    def __init__(self, *, drawn: bool = True) -> None:
        self._may_draw = drawn
        if not drawn:
            self.expected, self.shapes = "a text or a whole number", (Scalar, ListNode)

    def load(self, node: Node, context: Context) -> str | int | Drawn:
        """The value; raises `Refused`."""
        if isinstance(node, MapNode) and self._may_draw:
            found = self._drawn.load(node, context)
            if not found.sound:
                return ""
            if "draw" in found:
                return _draw(found.get("draw"), found.get("length"), found.get("size"))
            if "example" not in found:
                raise Refused("drawn lines need the key example", "example: TEXT stands where nothing is run")
            if context.draw is None:
                return str(found.get("example"))
            return drawn_lines(f"{context.draw}:{node.place.line}:{node.place.column}", found.get("lines"))
        if not isinstance(node, Scalar) or node.missing:
            raise wrong_shape(node, self.expected)
        return as_value(node.text) if node.plain else node.text

    def schema(self, templates: bool) -> Schema:
        """A scalar, or an object that says what is drawn."""
        scalar: Schema = {"type": ["string", "number", "boolean"]}
        if not self._may_draw:
            return scalar
        drawn = self._drawn.schema(templates)
        drawn["dependentRequired"]["lines"] = ["example"]
        return {"anyOf": [scalar, drawn]}


def _draw(text: str, length: int | None, size: int | None) -> Drawn:
    """What `draw:` asks for; raises `Refused`."""
    if text == "token" and size is None:
        return Drawn(token=length or 12)
    if text == "text" and length is None:
        if size is not None and size < 2:
            raise Refused("a drawn text has 2 bytes at least", "size: 64B")
        return Drawn(text=size or 64)
    if size is not None or text in ("token", "text"):
        raise Refused(f"draw: {show(text)} does not go with {'size' if size is not None else 'length'}")
    if found := re.fullmatch(rf"([0-9]{{1,18}})-([0-9]{{1,18}})|{_SIZED}-{_SIZED}", text):
        least, most = int(found[1] or int(found[3]) * BYTES[found[4]]), int(found[2] or int(found[5]) * BYTES[found[6]])
        if length is not None:
            raise Refused("length belongs to a token or a subnet")
        if least >= most:
            raise Refused(f"{show(text)} leaves nothing to draw", "the smaller number comes first")
        return Drawn(least, most)
    return _subnet(text, length)


def _subnet(text: str, length: int | None) -> Drawn:
    hint = "a number (20000-29999), bytes (1KiB-8KiB), token, text, or a prefix with the length of its subnets"
    try:
        pool: IPv4Network | IPv6Network = ip_network(text)
    except ValueError:
        raise Refused(f"{show(text)} is nothing that can be drawn", hint) from None
    longest = pool.max_prefixlen - 2
    if length is None or not pool.prefixlen < length <= longest:
        what = f"length: {min(longest, max(24, pool.prefixlen + 8))}"
        raise Refused(f"a subnet of {text} needs a length above {pool.prefixlen} and up to {longest}", what)
    return Drawn(pool=text, length=length)


def drawn_lines(draw: str, number: int) -> str:
    """Lines of eight random letters that depend on the draw alone."""
    letters = hashlib.shake_256(draw.encode()).digest(8 * number)
    words = (letters[start : start + 8] for start in range(0, len(letters), 8))
    return "".join("".join(chr(ord("a") + letter % 26) for letter in word) + "\n" for word in words)


def as_value(text: str) -> str | int:
    """A text as YAML would take it: decimal whole numbers of up to 18 digits become numbers."""
    return int(text) if re.fullmatch("-?(0|[1-9][0-9]{0,17})", text) else text

"""Filters over packets in a subset of Wireshark's display filters (wireshark-filter(4)), read and evaluated here.

    tcp.flags.syn == 1 && ip.ttl == 63
    not arp and (ip.src == 10.0.1.0/24 or eth.dst == ff:ff:ff:ff:ff:ff)

A comparison holds where any value of its field fits, `!=` where there are values and none is equal; a field that a
packet does not have makes every comparison false. `and` binds closer than `or`. A protocol's name may stand alone
(arp, ip, tcp …), a field's may not: `tcp.flags.syn` alone would be every TCP packet.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network

from lab.trace.fields import FIELDS, PROTOCOLS, Field, Sight, Value

Test = Callable[[Sight], bool]

LONGEST = 1000  # characters
_DEEPEST = 50  # parentheses and negations inside one another
_TOKEN = re.compile(r"\s*(?:(?P<sign>&&|\|\||==|!=|<=|>=|[<>!()=&|])|(?P<word>[A-Za-z0-9_.:/-]+)|(?P<odd>\S))")
_WORDS = {"and": "&&", "or": "||", "not": "!", "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_HALVES = {"=": "==", "&": "&&", "|": "||"}
_ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_EXAMPLE = "such as tcp.dstport == 7000"
_EXAMPLES = {
    "number": "a number such as 63 or 0x0800",
    "flag": "1 or 0",
    "MAC address": "an address such as 02:00:00:00:01:0a",
    "IPv4 address": "an address such as 10.0.1.10, or a prefix such as 10.0.1.0/24",
    "IPv6 address": "an address such as fd00::10, or a prefix such as fd00::/64",
}


class FilterError(Exception):
    """A filter that cannot be read: what is wrong, at which column from 1, and what would be right."""

    def __init__(self, what: str, column: int, hint: str = "") -> None:
        self.what = what
        self.column = column
        self.hint = hint
        super().__init__(f"column {column}: {what}")


@dataclass(frozen=True)
class _Token:
    text: str  # a sign in its short form, else the word
    written: str
    column: int
    word: bool = False


def parse_filter(text: str) -> Test:
    """The test of a filter; raises `FilterError`."""
    if len(text) > LONGEST:
        raise FilterError(f"the filter has {len(text)} characters, and {LONGEST} are allowed", LONGEST + 1)
    return _Parser(_tokens(text), len(text.rstrip()) + 1).whole()


def _tokens(text: str) -> list[_Token]:
    found = []
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        written, column = match[kind], match.start(kind) + 1
        if kind == "odd":
            raise FilterError(f"{written} has no meaning in a filter", column)
        if written in _HALVES:
            raise FilterError(f"{written} is no operator", column, f"write {_HALVES[written]}")
        sign = written if kind == "sign" else _WORDS.get(written.lower())
        found.append(_Token(sign or written, written, column, word=sign is None))
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens = tokens
        self._end = _Token("", "the end", end)
        self._at = 0
        self._depth = 0

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else self._end

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def whole(self) -> Test:
        test = self._either()
        if self._next is not self._end:
            raise FilterError(f"{self._next.written} cannot stand here", self._next.column, "join tests by && or ||")
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self._next.text == "||":
            self._take()
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda sight: any(test(sight) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._next.text == "&&":
            self._take()
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda sight: all(test(sight) for test in tests)

    def _one(self) -> Test:
        token = self._take()
        if token.word:
            return self._comparison(token)
        if token.text not in ("!", "("):
            raise FilterError(f"a test is missing before {token.written}", token.column, _EXAMPLE)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise FilterError("too many parentheses inside one another", token.column)
        if token.text == "!":
            negated = self._one()
            self._depth -= 1
            return lambda sight: not negated(sight)
        inner = self._either()
        if self._next.text != ")":
            raise FilterError("this parenthesis is not closed", token.column)
        self._take()
        self._depth -= 1
        return inner

    def _comparison(self, name: _Token) -> Test:
        sign = self._next.text
        compared = sign in ("==", "!=", *_ORDER)
        if name.text in PROTOCOLS:
            if compared:
                raise FilterError(f"{name.text} is a protocol and has no value", self._next.column)
            return PROTOCOLS[name.text]
        field = FIELDS.get(name.text)
        if field is None:
            raise FilterError(f"there is no field {name.written}", name.column, _meant(name.text))
        if not compared:
            hint = f"write {name.text} == {'1' if field.kind == 'flag' else 'VALUE'}"
            raise FilterError(f"{name.text} has to be compared with a value", name.column, hint)
        self._take()
        value = self._take()
        if not value.word:
            raise FilterError(f"a value is missing before {value.written}", value.column, _EXAMPLES[field.kind])
        return _compare(field, sign, value)


def _meant(word: str) -> str:
    """The fields and protocols that a wrong name may stand for."""
    near = [name for name in (*PROTOCOLS, *FIELDS) if name.partition(".")[0] == word.partition(".")[0].lower()]
    return f"known: {', '.join(near or PROTOCOLS)}"


def _compare(field: Field, sign: str, value: _Token) -> Test:
    values = field.values
    if sign in _ORDER:
        if field.kind != "number":
            raise FilterError(f"{field.name} is no number: only == and != compare it", value.column)
        compare, least = _ORDER[sign], _number(field, value)
        return lambda sight: any(compare(each, least) for each in values(sight))
    equal = _equal(field, value)
    if sign == "==":
        return lambda sight: any(equal(each) for each in values(sight))
    return lambda sight: bool(found := values(sight)) and not any(equal(each) for each in found)


def _equal(field: Field, value: _Token) -> Callable[[Value], bool]:
    if field.kind in ("number", "flag"):
        number = _number(field, value)
        return lambda each: each == number
    if field.kind == "MAC address":
        if not re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", value.text):
            raise _unfit(field, value)
        mac = bytes.fromhex(re.sub("[:-]", "", value.text))
        return lambda each: each == mac
    try:
        prefix = ip_network(value.text, strict=False)
    except ValueError:
        raise _unfit(field, value) from None
    if isinstance(prefix, IPv6Network) != (field.kind == "IPv6 address"):
        raise _unfit(field, value)
    shift = prefix.max_prefixlen - prefix.prefixlen
    network = int(prefix.network_address) >> shift
    return lambda each: isinstance(each, bytes) and int.from_bytes(each, "big") >> shift == network


def _number(field: Field, value: _Token) -> int:
    if field.kind == "flag" and value.text.lower() in ("true", "false"):
        return int(value.text.lower() == "true")
    if not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,16}|0|[1-9][0-9]{0,19}", value.text):
        raise _unfit(field, value)
    number = int(value.text, 0)
    if number >> field.bits:
        raise FilterError(f"{field.name} is never {value.written}", value.column, f"at most {(1 << field.bits) - 1}")
    return number


def _unfit(field: Field, value: _Token) -> FilterError:
    return FilterError(f"{value.written} is no value of {field.name}", value.column, f"write {_EXAMPLES[field.kind]}")

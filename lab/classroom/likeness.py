"""Submissions that are copies of each other up to names and layout, listed for the teacher; no verdict rests on it.

Programs become words in which a student's own names, comments and layout are gone; runs of words are hashed and
winnowed (Schleimer, Wilkerson, Aiken: Winnowing, SIGMOD 2003), so any 15 words in a row that two share are found.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import keyword
import re
import tokenize
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_GRAM, _WINDOW = 10, 6  # words in a hashed run; of so many hashes in a row one is kept
_LEAST, _LEAST_SAME = 16, 3  # fingerprints beyond what all were given, below which programs are alike by chance
_ALIKE = 0.85  # the share of the smaller one's fingerprints that two have in common
_COMMON = 0.25  # what more than this share of a class has is how everybody writes it, in a class that is large enough
_LARGE = 20
_LEXEME = re.compile(
    r"//[^\n]*|/\*.*?\*/|\#[^\n]*"  # comments, and a preprocessor's lines
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')|(?P<number>\d[\w.]*)|(?P<name>[^\W\d]\w*)|(?P<sign>\S)",
    re.DOTALL,
)
_KEPT = frozenset(dir(builtins))
_WORDS = frozenset(  # of C and its kin
    ("if", "else", "for", "while", "do", "switch", "case", "default", "break", "continue", "return", "goto", "struct",
     "int", "char", "void", "long", "short", "unsigned", "signed", "const", "static", "sizeof", "class", "new", "try",
     "catch", "throw", "public", "private", "func", "fn", "let", "var")
)  # fmt: skip


@dataclass(frozen=True)
class Alike:
    """Two students whose programs are alike: `share` from 0 to 1, 1 where nothing but names and layout differs."""

    one: str
    other: str
    share: float


@dataclass(frozen=True)
class Print:
    """A submission's fingerprints beyond what all were given, and a digest of all its words."""

    marks: frozenset[int]
    digest: bytes


def words_of(name: str, content: bytes) -> list[str]:
    """A program's words, without what a copier changes first: names of one's own, comments, layout, texts, numbers."""
    text = content.decode(errors="replace")
    if name.endswith(".py"):
        try:
            return _python(text)
        except (tokenize.TokenError, SyntaxError, ValueError):
            pass
    found: list[str] = []
    for each in _LEXEME.finditer(text):
        kind = each.lastgroup
        if kind is not None:
            word = each.group()
            after_dot = bool(found) and found[-1] == "."
            known = kind == "sign" or (kind == "name" and (word in _WORDS or after_dot or _is_called(text, each.end())))
            found.append(word if known else kind)
    return found


def _is_called(text: str, end: int) -> bool:
    """Whether a name is that of a function: in C those of sockets tell programs apart, and few are a student's own."""
    return text[end : end + 1] == "("


def _python(text: str) -> list[str]:
    found: list[str] = []
    imported: set[str] = set()
    importing, begins = False, True
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT):
            importing, begins = importing and token.type == tokenize.COMMENT, True
            continue
        if begins and token.type == tokenize.STRING:
            continue  # says something to readers alone
        begins = False
        if token.type == tokenize.ENDMARKER:
            break
        if token.type == tokenize.NAME:
            word = token.string
            importing |= word in ("import", "from") and token.line.lstrip().startswith(word)
            if importing:
                imported.add(word)
            foreign = found[-1:] == ["."] and found[-2:] != ["self", "."]
            kept = keyword.iskeyword(word) or word in _KEPT or word in imported or word == "self" or foreign
            found.append(word if kept else "name")
        elif token.type == tokenize.STRING or tokenize.tok_name[token.type].startswith("FSTRING"):
            if found[-1:] != ["string"]:
                found.append("string")
        elif token.type == tokenize.NUMBER:
            found.append("number")
        elif token.type == tokenize.OP:
            found.append(token.string)
    return found


def fingerprint(files: Mapping[str, bytes], given: frozenset[int] = frozenset()) -> Print:
    """Of a submission's files, each by itself, without the marks that were `given` to all."""
    marks: set[int] = set()
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        words = words_of(name, content)
        digest.update("\0".join(words).encode(errors="replace") + b"\1")
        marks |= set(_winnowed(_hashes(words)))
    return Print(frozenset(marks - given), digest.digest())


def everything(files: Mapping[str, bytes]) -> frozenset[int]:
    """Every mark that these files could have, wherever a copy of a part begins."""
    return frozenset(mark for name, content in files.items() for mark in _hashes(words_of(name, content)))


def _hashes(words: Sequence[str]) -> list[int]:
    grams = ("\0".join(words[at : at + _GRAM]) for at in range(len(words) - _GRAM + 1))
    return [int.from_bytes(hashlib.blake2b(gram.encode(errors="replace"), digest_size=8).digest()) for gram in grams]


def _winnowed(hashes: Sequence[int]) -> Iterable[int]:
    for at in range(max(1, len(hashes) - _WINDOW + 1) if hashes else 0):
        yield min(hashes[at : at + _WINDOW])


def find_alike(prints: Mapping[str, Print]) -> list[Alike]:
    """Everyone's pairs that are alike, the most alike first."""
    holders: dict[int, list[str]] = {}
    for student, each in prints.items():
        for mark in each.marks:
            holders.setdefault(mark, []).append(student)
    if len(prints) >= _LARGE:
        most = len(prints) * _COMMON
        holders = {mark: students for mark, students in holders.items() if len(students) <= most}
    own = Counter(student for students in holders.values() for student in students)
    shared = Counter(
        (one, other)
        for students in holders.values()
        for number, one in enumerate(students)
        for other in students[number + 1 :]
    )
    found = []
    for (one, other), number in shared.items():
        smaller = min(own[one], own[other])
        same = prints[one].digest == prints[other].digest
        share = 1.0 if same else min(0.99, number / smaller)
        if smaller >= (_LEAST_SAME if same else _LEAST) and share >= _ALIKE:
            found.append(Alike(one, other, round(share, 2)))
    return sorted(found, key=lambda each: (-each.share, each.one, each.other))


def groups(alike: Sequence[Alike]) -> list[tuple[tuple[str, ...], float]]:
    """Those who are alike, directly or through others, with the least share that ties them together."""
    group: dict[str, set[str]] = {}
    least: dict[int, float] = {}
    for each in alike:
        one, other = group.setdefault(each.one, {each.one}), group.setdefault(each.other, {each.other})
        if one is other:
            continue
        one |= other
        least[id(one)] = min(least.get(id(one), 1.0), least.get(id(other), 1.0), each.share)
        for student in other:
            group[student] = one
    distinct = {id(each): each for each in group.values()}
    return [(tuple(sorted(students)), least[key]) for key, students in distinct.items()]

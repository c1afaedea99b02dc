"""Whose values a submission answers with: another student's own ones, found in its files, output and packets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

_WORD = re.compile(rb"[A-Za-z0-9]{4,}")
_ADDRESS = re.compile(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
_COMMON = 0.02  # a word that more than this share of a class has tells nobody apart


@dataclass(frozen=True)
class Foreign:
    """Values, by name, that are `student`'s and not the submission's own."""

    student: str
    values: tuple[str, ...]


class Owners:
    """Who of a class has which values."""

    def __init__(self, values: Mapping[str, Mapping[str, str | int]]) -> None:
        self._names = tuple(dict.fromkeys(name for own in values.values() for name in own))
        self._own = {
            student: {word for value in own.values() for word in words_of(value)} for student, own in values.items()
        }
        shared = Counter(word for words in self._own.values() for word in words)
        most = max(1, int(len(values) * _COMMON))
        self._owners: dict[bytes, list[tuple[str, str]]] = {}
        for student, own in values.items():
            for name, value in own.items():
                for word in words_of(value):
                    if shared[word] <= most:
                        self._owners.setdefault(word, []).append((student, name))

    def find(self, student: str, texts: Iterable[bytes], explained: Iterable[bytes]) -> tuple[Foreign, ...]:
        """Whose values stand in these texts; what stands in the `explained` ones, the teacher's, tells nothing."""
        found: dict[str, set[str]] = {}
        words = {word for text in texts for word in seen_in(text)}
        words -= self._own.get(student, set())
        words -= {word for text in explained for word in seen_in(text)}
        for word in words & self._owners.keys():
            for other, name in self._owners[word]:
                if other != student:
                    found.setdefault(other, set()).add(name)
        return tuple(
            Foreign(other, tuple(name for name in self._names if name in names))
            for other, names in sorted(found.items())
        )


def words_of(value: str | int) -> set[bytes]:
    """What of a value can be found again: its longer words, a number of four digits or more, a subnet's beginning."""
    if isinstance(value, str) and "/" in value:
        try:
            network = ip_network(value)
        except ValueError:
            return set(_WORD.findall(value.encode()))
        return {f"{network.network_address}".rpartition(".")[0].encode() + b".*"} if network.prefixlen >= 24 else set()
    return set(_WORD.findall(str(value).encode()))


def seen_in(text: bytes) -> set[bytes]:
    """The words of a text, and of its IPv4 addresses the first three numbers."""
    return {*_WORD.findall(text), *(each.rpartition(b".")[0] + b".*" for each in _ADDRESS.findall(text))}


def told(found: Sequence[Foreign]) -> list[dict[str, Any]]:
    """As a result keeps it."""
    return [{"student": each.student, "values": list(each.values)} for each in found]

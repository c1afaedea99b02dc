"""What `explain` tells of a frame: its layers, and their fields under the names of Wireshark's filters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A header field, its value as it is written, and what that means here."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of a frame; `claim` is the course's claim that it shows (C1 to C23), or empty.

    `standard` is where its format is written down, such as `RFC 9293 §3.1`; empty where nowhere.
    """

    name: str
    fields: tuple[Field, ...]
    claim: str = ""
    standard: str = ""

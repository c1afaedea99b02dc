"""YAML text becomes plain nodes that know their place; nothing is ever constructed from a tag.

The grammar reads each scalar from its text, so YAML 1.1's guesses (`on` a boolean, `10:20` a number in base sixty)
never happen. Parsing works on the parser's events, whose depth and number are bounded here.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
)

from lab.errors import LabError, Place, Problem

MAX_BYTES = 1024 * 1024
MAX_NODES = 100_000  # counted after aliases are expanded: a thousand-node topology has some 20,000
MAX_DEPTH = 32
NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True)
class Scalar:
    """A single value; `plain` where it was written without quotes."""

    text: str
    place: Place
    plain: bool = True

    @property
    def missing(self) -> bool:
        """Whether nothing was written, or YAML's null."""
        return self.plain and self.text in NULLS


@dataclass(frozen=True)
class ListNode:
    """A sequence of nodes."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True)
class MapNode:
    """A mapping; its keys are unique, in the order of the file."""

    items: tuple[tuple[Scalar, Node], ...]
    place: Place

    def get(self, key: str) -> Node | None:
        """The node under a key."""
        return next((value for name, value in self.items if name.text == key), None)


Node = Scalar | ListNode | MapNode


@dataclass
class _Open:
    """A collection whose end has not come yet; `size` counts its nodes with every alias expanded."""

    place: Place
    mapping: bool
    anchor: str | None
    size: int = 1
    items: list[Node] = field(default_factory=list)


def read_text(path: Path, most: int = MAX_BYTES) -> str:
    """The text of a file that a person wrote, of `most` bytes at the most.

    Raises `LabError` where there is no such regular file, it cannot be read, is too large, or is not UTF-8 text.
    """
    file = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise LabError("this is a folder, where a file is expected", file)
        if not stat.S_ISREG(status.st_mode):
            raise LabError("this is a device or a pipe, where a file is expected", file)
        if status.st_size > most:
            said = f"the file has {status.st_size} bytes; at most {most} ({most >> 20} MiB) are read"
            raise LabError(said, file)
        data = path.read_bytes()
    except FileNotFoundError:
        raise LabError("there is no such file", file) from None
    except PermissionError:
        raise LabError("no permission to read this file", file, f"try: ls -l {file}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise LabError(f"the file cannot be read: {reason}", file) from None
    return decode(data, file)


def decode(data: bytes, file: str) -> str:
    """Bytes as UTF-8 text; a byte order mark is dropped. Raises `LabError` with the place of the first wrong byte."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise LabError("the file is UTF-16 text", file, "save it as UTF-8")
    if b"\0" in data:
        raise LabError("this is a binary file (it holds NUL bytes), where text is expected", file)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8 text"
        raise LabError(what, Place(file, line, column), "save the file as UTF-8") from None


def parse_yaml(text: str, file: str) -> tuple[MapNode, list[Problem]]:
    """The mapping that a YAML text holds, and what can be complained of while still reading on.

    Raises `LabError` where the text is too long, no YAML, empty, several documents, or no mapping at its top.
    """
    if len(text) > MAX_BYTES:
        raise LabError(f"the text has {len(text)} characters; at most {MAX_BYTES} are read", file)
    _refuse_control_characters(text, file)
    problems: list[Problem] = []
    try:
        root = _build(yaml.parse(text, Loader=_FAST), file, problems)
    except yaml.YAMLError:
        # The two parsers word their complaints differently; only the one that is always there is quoted.
        problems.clear()
        try:
            root = _build(yaml.parse(text, Loader=yaml.SafeLoader), file, problems)
        except yaml.MarkedYAMLError as error:
            raise LabError([_in_plain_words(error, file)]) from None
        except yaml.YAMLError as error:
            raise LabError(f"this is not YAML: {error}", file) from None
    if root is None or (isinstance(root, Scalar) and root.missing):
        raise LabError("the file is empty", file)
    if not isinstance(root, MapNode):
        raise LabError("the file must be a mapping of keys to values at its top", root.place, "such as name: my-lab")
    return root, problems


_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _build(events: Iterable[Event], file: str, problems: list[Problem]) -> Node | None:
    """The one document's node; None where there is no document."""
    anchors: dict[str, tuple[Node, int]] = {}
    stack: list[_Open] = []
    root: Node | None = None
    documents = 0
    for event in events:
        place = _place(event.start_mark, file)
        if isinstance(event, DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise LabError("a second YAML document begins here; one file holds one", place, "remove the line ---")
            continue
        node: Node
        size, anchor = 1, None
        if isinstance(event, AliasEvent):
            if any(frame.anchor == event.anchor for frame in stack):
                raise LabError(f"alias *{event.anchor} stands inside what it names", place)
            if event.anchor not in anchors:
                raise LabError(f"alias *{event.anchor} names nothing above it", place, f"no &{event.anchor} before it")
            node, size = anchors[event.anchor]
        elif isinstance(event, ScalarEvent):
            _refuse_tag(event, place, problems)
            node, anchor = Scalar(event.value, place, event.style in (None, "")), event.anchor
        elif isinstance(event, (SequenceStartEvent, MappingStartEvent)):
            _refuse_tag(event, place, problems)
            if len(stack) == MAX_DEPTH:
                raise LabError(f"lists and mappings are nested more than {MAX_DEPTH} deep", place)
            stack.append(_Open(place, isinstance(event, MappingStartEvent), event.anchor))
            continue
        elif isinstance(event, CollectionEndEvent):
            done = stack.pop()
            node, size, anchor = _close(done, problems), done.size, done.anchor
        else:
            continue
        if anchor is not None:
            anchors[anchor] = node, size
        if not stack:
            root = node
            continue
        stack[-1].size += size
        if sum(frame.size for frame in stack) > MAX_NODES:
            raise LabError(f"the file has more than {MAX_NODES} values (aliases counted each time)", place)
        stack[-1].items.append(node)
    return root


def _place(mark: Any, file: str) -> Place:
    return Place(file, mark.line + 1, mark.column + 1) if mark else Place(file)


def _close(done: _Open, problems: list[Problem]) -> Node:
    if not done.mapping:
        return ListNode(tuple(done.items), done.place)
    first: dict[str, Scalar] = {}
    items: list[tuple[Scalar, Node]] = []
    for key, value in zip(done.items[::2], done.items[1::2], strict=True):
        if not isinstance(key, Scalar):
            problems.append(Problem("a key must be a single word, not a list or a mapping", key.place))
        elif key.text in first:
            hint = f"the first one is in line {first[key.text].place.line}"
            problems.append(Problem(f"key {show(key.text)} is given twice", key.place, hint))
        else:
            first[key.text] = key
            items.append((key, value))
    return MapNode(tuple(items), done.place)


def _refuse_tag(event: NodeEvent, place: Place, problems: list[Problem]) -> None:
    if tag := getattr(event, "tag", None):
        name = show(tag.replace("tag:yaml.org,2002:", "!!"))
        problems.append(Problem(f"tag {name} is not allowed", place, "remove the tag; put text in quotes where needed"))


def _refuse_control_characters(text: str, file: str) -> None:
    if found := yaml.reader.Reader.NON_PRINTABLE.search(text):
        before = text[: found.start()]
        place = Place(file, before.count("\n") + 1, found.start() - before.rfind("\n"))
        raise LabError(f"character U+{ord(found.group()):04X} is not allowed in a text file", place)


# PyYAML's complaint (a pattern, searched) → what is wrong, what would be right.
_PLAIN = (
    (r"cannot start any token", "", ""),
    (r"mapping values are not allowed", "a second ': ' in one line, or an indentation that does not fit",
     "put the text in quotes, or align the key with its neighbours"),
    (r"could not find expected ':'", "a key without ': ' after it", "write `key: value`, with a space after the colon"),
    (r"expected ',' or '\]'", "the list that begins here with [ is not closed, or a comma is missing in it",
     "close it with ], or put the comma"),
    (r"expected ',' or '\}'", "the mapping that begins here with { is not closed, or a comma is missing in it",
     "close it with }, or put the comma"),
    (r"expected <block end>", "this line does not fit the indentation of the lines above",
     "keys of one mapping begin in the same column"),
    (r"found unexpected end of stream", "a quote is opened and never closed", ""),
    (r"found unexpected document separator", "a quote is opened and never closed", ""),
    (r"unknown escape character", "an unknown escape in double quotes",
     r"write \\ for a backslash, or use single quotes"),
    (r"expected the node content", "a value is missing here", ""),
    (r"expected escape sequence of", "an escape in double quotes is cut short", ""),
    (r"undefined tag handle", "tags are not allowed here", "remove the tag; put text in quotes where needed"),
)  # fmt: skip


def _in_plain_words(error: yaml.MarkedYAMLError, file: str) -> Problem:
    said = error.problem or "unreadable"
    begun = any(re.search(pattern, said) for pattern in (r"expected ',' or", r"end of stream", r"document separator"))
    mark = error.context_mark if begun and error.context_mark else error.problem_mark or error.context_mark
    place = _place(mark, file)
    for pattern, what, hint in _PLAIN:
        if re.search(pattern, said):
            return Problem(what, place, hint) if what else _odd_character(said, place)
    return Problem(f"this is not YAML: {said}", place)


def _odd_character(said: str, place: Place) -> Problem:
    if r"'\t'" in said:
        return Problem("a tab stands here; YAML indents with spaces", place, "replace the tab by spaces")
    character = said.partition("character ")[2].partition(" that")[0].strip("'\"")
    return Problem(f"a value cannot begin with {character}", place, "put the text in quotes")


def show(text: str, limit: int = 60) -> str:
    """Text of a stranger's as it may stand in a message: one line, no control characters, bounded."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return printable(cut)


def printable(text: str) -> str:
    """Text with escapes for whatever a terminal would obey or not show."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)

"""Entries cut out of a YAML text by their marks: the comments and the layout of all the rest stay as they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from lab.errors import LabError


@dataclass(frozen=True)
class Entry:
    """An item of a list or a key with its value: where it begins and ends in the text, counted in characters."""

    name: str  # of a key; of an item that is a mapping: what stands under its key `id`
    start: int
    end: int
    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Entries:
    """The entries of a list or of a mapping; `flow` where it is written with brackets or braces."""

    flow: bool
    entries: tuple[Entry, ...]

    def get(self, name: str) -> Entry | None:
        """The entry of that name."""
        return next((entry for entry in self.entries if entry.name == name), None)


def compose(text: str) -> MappingNode:
    """The text's nodes with their marks; raises `LabError` where it is no mapping (the loader says why)."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise LabError(f"this is not YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(root, MappingNode):
        raise LabError("the file must be a mapping of keys to values at its top")
    return root


def entries(node: Node | None) -> Entries:
    """The entries of a collection; none of anything else."""
    if isinstance(node, MappingNode):
        found = [
            Entry(key.value, key.start_mark.index, end_of(value), (key, value))
            for key, value in node.value
            if isinstance(key, ScalarNode)
        ]
        return Entries(bool(node.flow_style), tuple(found))
    if isinstance(node, SequenceNode):
        items = [Entry(_id(each), each.start_mark.index, end_of(each), (each,)) for each in node.value]
        return Entries(bool(node.flow_style), tuple(items))
    return Entries(False, ())


def scalars(*nodes: Node, keys: bool = True) -> Iterator[str]:
    """Every text in the nodes, those of keys too unless that is not wanted."""
    for node in nodes:
        if isinstance(node, ScalarNode):
            yield node.value
        elif isinstance(node, SequenceNode):
            yield from scalars(*node.value, keys=keys)
        elif isinstance(node, MappingNode):
            for key, value in node.value:
                yield from scalars(*((key, value) if keys else (value,)), keys=keys)


def cut(text: str, collection: Entries, names: Collection[str]) -> str:
    """The text without the entries of these names, and without the comments that stand at them."""
    for entry in reversed(collection.entries):  # from the end, so that the places before stay right
        if entry.name in names:
            text = _cut_flow(text, entry) if collection.flow else _cut_block(text, entry)
    return text


def _id(node: Node) -> str:
    entry = entries(node).get("id") if isinstance(node, MappingNode) else None
    return next(iter(scalars(entry.nodes[-1])), "") if entry else ""


def end_of(node: Node) -> int:
    """Where a node's last character stands: a block's own end mark lies behind the comments that follow it."""
    flow = isinstance(node, (SequenceNode, MappingNode)) and node.flow_style
    if isinstance(node, ScalarNode) or flow or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return end_of(last[1] if isinstance(last, tuple) else last)


def _cut_block(text: str, entry: Entry) -> str:
    """Without the lines of an entry in block style.

    A comment right above it goes with it. One right below it goes with it unless it heads what comes next, in the
    column of that.
    """
    lines = text.split("\n")
    first = text.count("\n", 0, entry.start)
    last = text.count("\n", 0, len(text[: entry.end].rstrip()))
    while len(entry.nodes) == 1 and not lines[first].lstrip().startswith("-"):
        first -= 1  # the dash stands in a line above its item
    while first > 0 and _is_comment(lines[first - 1]):
        first -= 1
    below = last + 1
    while below < len(lines) and _is_comment(lines[below]):
        below += 1
    after = lines[below] if below < len(lines) else ""
    if not after.strip():
        last = below - 1
    else:
        while last + 1 < below and _indent(lines[last + 1]) > _indent(after):
            last += 1
    rest = lines[last + 1 :]
    above = lines[first - 1].strip() if first else ""
    if (not above or above.endswith(":")) and rest and not rest[0].strip():
        rest = rest[1:]
    return "\n".join([*lines[:first], *rest])


def _cut_flow(text: str, entry: Entry) -> str:
    """Without an entry between brackets, its comma, and its line where nothing else stands in it."""
    start, end = entry.start, entry.end
    after = end + len(text[end:]) - len(text[end:].lstrip())
    if text[after : after + 1] == ",":
        end = after + 1
    else:
        before = text[:start].rstrip()
        if before.endswith(",") and "#" not in text[len(before) : start]:
            start = len(before) - 1
    line = text.rfind("\n", 0, start) + 1
    stop = text.find("\n", end)
    tail = text[end : stop if stop >= 0 else len(text)].strip()
    if not text[line:start].strip() and (not tail or tail.startswith("#")):
        head = text[:line].split("\n")[:-1]
        while head and _is_comment(head[-1]):
            head.pop()
        return "\n".join([*head, text[stop + 1 :] if stop >= 0 else ""])
    return text[:start] + text[end:].removeprefix(" " if text[start - 1 : start] in " [{" else "")


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

"""References to what the files name elsewhere, and the values that an exercise's steps and checks are made of."""

from __future__ import annotations

import hashlib
import re

from lab.grammar.base import Context, Grammar, Refused, ScalarGrammar, Schema, nearest
from lab.grammar.containers import Either, Key, List, Struct
from lab.grammar.scalars import FilePath, Size, Text
from lab.yaml.text import ListNode, MapNode, Node, Scalar, show


class Reference(ScalarGrammar[str]):
    """A name that must be known; `kind` is looked up in the context's names."""

    kind: str
    label = ""
    pattern = "[A-Za-z][A-Za-z0-9_-]{0,30}"

    def __init__(self) -> None:
        self.expected = f"a {self.kind}'s name"

    def parse(self, text: str, context: Context) -> str:
        """The name; raises `Refused` with the nearest one where it is unknown."""
        known = context.names.get(self.kind)
        label = self.label or self.kind
        if known is None and not re.fullmatch(self.pattern, text):
            raise Refused(f'"{show(text)}" is not {self.expected}')
        if known is not None and text not in known:
            raise Refused(f"there is no {label} {show(text)}", nearest(text, known, f"{label}s"))
        return text

    def plain_schema(self) -> Schema:
        """A name; that it is known is the loader's to say."""
        return {"type": "string", "pattern": f"^{self.pattern}$"}


class NodeName(Reference):
    """A node of the topology."""

    kind = "node"


class NetworkName(Reference):
    """A network of the topology."""

    kind = "network"


class StepName(Reference):
    """A step of the exercise."""

    kind = "step"


class CheckId(Reference):
    """The id of a check of the exercise."""

    kind = "check"


class FaultId(Reference):
    """The id of a fault of the exercise."""

    kind = "fault"


class Point(Reference):
    """A capture point, `node:interface`."""

    kind = "point"
    label = "capture point"
    pattern = "[A-Za-z][A-Za-z0-9_-]{0,30}:[A-Za-z][A-Za-z0-9_-]{0,14}"

    def __init__(self) -> None:
        self.expected = "a capture point such as client:eth0"


class Payload(Grammar[bytes]):
    """Bytes: a text, a file beside the exercise, or as many random ones as said.

    Random bytes depend on the exercise's name and their number alone (SHAKE-256), so that what a step sends and
    what a check expects are the same bytes, in every run and on every machine.
    """

    shapes = (Scalar, MapNode)
    expected = "text, {file: PATH} or {random: SIZE}"
    _grammar = Either(
        Text(longest=2**20),
        Struct(
            "a payload",
            Key("file", FilePath(), "A file beside the exercise whose bytes these are"),
            Key("random", Size(), "So many random bytes, the same wherever this exercise says that number"),
            one_of=("file", "random"),
        ),
        expected=expected,
    )

    def load(self, node: Node, context: Context) -> bytes:
        """The bytes; raises `Refused`."""
        found = self._grammar.load(node, context)
        if isinstance(found, str):
            return found.encode()
        if "random" in found.values:
            return hashlib.shake_256(f"{context.seed}:{found.get('random')}".encode()).digest(found.get("random"))
        if "file" in found.values and context.read is not None:
            try:
                return context.read(found.get("file"))
            except Refused as refused:
                context.report(found.at("file"), refused.what, refused.hint)
        return b""

    def schema(self, templates: bool) -> Schema:
        """Text, or an object with one key."""
        return self._grammar.schema(templates)


class Command(Grammar[tuple[str, ...]]):
    """A program and its arguments, as a list; a string goes to `sh -c`."""

    shapes = (Scalar, ListNode)
    expected = "a command: a list of arguments, or a line for the shell"
    _grammar = Either(Text(), List(Text("an argument"), empty=False, most=1000), expected=expected)

    def load(self, node: Node, context: Context) -> tuple[str, ...]:
        """The argument list; raises `Refused` where it is empty."""
        found = self._grammar.load(node, context)
        command: tuple[str, ...] = ("sh", "-c", found) if isinstance(found, str) else found
        if not command:
            return command  # its items were refused, and that was said
        if not command[-1 if isinstance(found, str) else 0].strip():
            raise Refused("the command is empty", f"expected: {self.expected}")
        if any("\0" in argument for argument in command):
            raise Refused("an argument holds a NUL byte, which no command can have")
        return command

    def schema(self, templates: bool) -> Schema:
        """A string or an array of scalars."""
        return self._grammar.schema(templates)

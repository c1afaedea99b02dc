"""What every grammar has: it loads a node, it names what it expects, and it writes its own JSON Schema."""

from __future__ import annotations

import dataclasses
import difflib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lab.errors import Place, Problem
from lab.yaml.text import ListNode, Node, Scalar, printable, show

T = TypeVar("T")
Schema = dict[str, Any]
TEMPLATE: Schema = {"type": "string", "pattern": r"\$\{"}
_DOLLAR = re.compile(r"\$(?:\$|\{([^}]*)(\}?))")


class Refused(Exception):  # noqa: N818 - a signal inside the grammar, never an error that a caller sees
    """A value is not what its grammar expects; whoever knows the place reports it."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what = what
        self.hint = hint
        super().__init__(what)


@dataclass
class Context:
    """What loading needs to know beside the node, and where problems gather.

    `values` are substituted for `${name}` (None: no substitution in this file), `names` are the known names of
    each kind of reference ("node", "step", "check", "point"; a kind that is absent is not checked), `read` gives
    the bytes of a file beside this one and raises `Refused`, `seed` names the exercise for random payloads, and
    `draw` is what drawn values depend on (None: they are their examples).
    """

    problems: list[Problem] = field(default_factory=list)
    values: Mapping[str, str | int] | None = None
    names: Mapping[str, Collection[str]] = field(default_factory=dict)
    read: Callable[[str], bytes] | None = None
    seed: str = ""
    draw: str | None = None

    def report(self, where: Node | Place, what: str, hint: str = "") -> None:
        """Note a problem."""
        place = where if isinstance(where, Place) else where.place
        self.problems.append(Problem(printable(what), place, printable(hint)))

    def take(self, grammar: Grammar[T], node: Node) -> T | None:
        """The loaded value, or None after its problems were noted."""
        try:
            return grammar.load(node, self)
        except Refused as refused:
            self.report(node, refused.what, refused.hint)
            return None

    def text(self, scalar: Scalar) -> str:
        """A scalar's text with `${name}` replaced and `$$` a dollar; raises `Refused` for an unknown name."""
        if self.values is None or "$" not in scalar.text:
            return scalar.text
        return _DOLLAR.sub(self._value, scalar.text)

    def _value(self, found: re.Match[str]) -> str:
        if found.group() == "$$":
            return "$"
        name, closed = found.groups()
        if not closed:
            raise Refused("${ is not closed by }", "write $${ where a dollar and a brace are meant")
        assert self.values is not None
        if name not in self.values:
            known = nearest(name, self.values, "values")
            raise Refused(f"${{{show(name)}}} is not among the values", f"{known}; $${{ stands for ${{ itself")
        return str(self.values[name])


class Grammar(ABC, Generic[T]):
    """A kind of value. `expected` says in words what may stand there; `shapes` which kinds of node can be it."""

    expected: str
    shapes: tuple[type, ...] = (Scalar,)

    @abstractmethod
    def load(self, node: Node, context: Context) -> T:
        """The value; raises `Refused` where the whole of it is unusable, reports what is wrong inside it."""

    @abstractmethod
    def schema(self, templates: bool) -> Schema:
        """JSON Schema of it; `templates` where `${name}` may stand for any scalar."""


class ScalarGrammar(Grammar[T]):
    """A value written as one scalar. `quotable` unless it is a number or a boolean, which quotes would make text."""

    quotable = True

    @abstractmethod
    def parse(self, text: str, context: Context) -> T:
        """The value of a text; raises `Refused`."""

    @abstractmethod
    def plain_schema(self) -> Schema:
        """JSON Schema of it, templates aside."""

    def load(self, node: Node, context: Context) -> T:
        """The value; raises `Refused` for another shape, a missing value or a wrong text."""
        if not isinstance(node, Scalar):
            raise wrong_shape(node, self.expected)
        if node.missing:
            raise Refused("a value is missing here", f"expected: {self.expected}")
        text = context.text(node)
        if not (self.quotable or node.plain or (context.values is not None and "${" in node.text)):
            raise Refused(f'"{show(text)}" is text, not {self.expected}', "remove the quotes")
        try:
            return self.parse(text, context)
        except Refused as refused:
            if text == node.text:
                raise
            raise Refused(f"{refused.what} (from {show(node.text)})", refused.hint) from None

    def schema(self, templates: bool) -> Schema:
        """JSON Schema of it, `${name}` admitted where `templates` says so."""
        schema = self.plain_schema()
        return {"anyOf": [schema, TEMPLATE]} if templates else schema


def wrong_shape(node: Node, expected: str) -> Refused:
    """The complaint about a list or a mapping where something else is expected, or the reverse."""
    if isinstance(node, Scalar):
        if node.missing:
            return Refused("a value is missing here", f"expected: {expected}")
        return Refused(f"expected {expected}, found {show(node.text)}")
    return Refused(f"expected {expected}, found {'a list' if isinstance(node, ListNode) else 'a mapping'}")


def close(word: str, known: Collection[str]) -> str | None:
    """The known word that was probably meant."""
    by_lower = {name.lower(): name for name in reversed(list(known))}
    found = difflib.get_close_matches(word.lower()[:100], by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def nearest(word: str, known: Collection[str], kind: str = "") -> str:
    """A hint: the known word that was probably meant, else the known ones (twelve at most)."""
    if meant := close(word, known):
        return f"did you mean {show(meant)}?"
    if not known:
        return f"there are no {kind}" if kind else ""
    names = [show(name) for name in dict.fromkeys(known)]
    return f"known{' ' + kind if kind else ''}: {', '.join(names[:12])}{' …' if len(names) > 12 else ''}"


def param(grammar: Grammar[Any], doc: str, key: str | None = None, default: Any = dataclasses.MISSING) -> Any:
    """A parameter of a check: a dataclass field that carries its grammar; required unless it has a default."""
    return dataclasses.field(default=default, kw_only=True, metadata={"grammar": grammar, "doc": doc, "key": key})


@dataclass(frozen=True)
class Parameter:
    """A parameter of a check as its file writes it: `field` is the dataclass's name for it, `key` the file's."""

    field: str
    key: str
    grammar: Grammar[Any]
    doc: str
    required: bool
    default: Any = None


def parameters(check: type) -> Iterator[Parameter]:
    """The parameters that a check's dataclass declares by `param`, in order."""
    for each in dataclasses.fields(check):
        if "grammar" in each.metadata:
            required = each.default is dataclasses.MISSING
            yield Parameter(
                each.name,
                each.metadata["key"] or each.name,
                each.metadata["grammar"],
                each.metadata["doc"],
                required,
                None if required else each.default,
            )

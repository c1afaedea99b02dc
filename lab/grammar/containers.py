"""Lists, mappings with known keys, mappings by name, and alternatives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from lab.errors import Place
from lab.grammar.base import Context, Grammar, Refused, ScalarGrammar, Schema, close, nearest, wrong_shape
from lab.yaml.text import ListNode, MapNode, Node, Scalar, show

T = TypeVar("T")


@dataclass(frozen=True)
class At(Generic[T]):
    """A value and its place."""

    value: T
    place: Place


class Placed(Grammar[At[T]]):
    """Keeps the place of a value, for complaints that come later."""

    def __init__(self, inner: Grammar[T]) -> None:
        self.inner = inner
        self.expected = inner.expected
        self.shapes = inner.shapes

    def load(self, node: Node, context: Context) -> At[T]:
        """The value with its place."""
        return At(self.inner.load(node, context), node.place)

    def schema(self, templates: bool) -> Schema:
        """The inner one's."""
        return self.inner.schema(templates)


class List(Grammar[tuple[T, ...]]):
    """A list; wrong items are reported and left out. With `single`, one item may stand alone, without the brackets."""

    def __init__(self, item: Grammar[T], *, empty: bool = True, most: int = 10_000, single: bool = False) -> None:
        self.item = item
        self.empty = empty
        self.most = most
        self.single = single
        self.shapes = (ListNode, *item.shapes) if single else (ListNode,)
        self.expected = f"{item.expected}, or a list of them" if single else f"a list (each {item.expected})"

    def load(self, node: Node, context: Context) -> tuple[T, ...]:
        """The items that could be loaded."""
        if not isinstance(node, ListNode):
            if self.single:
                return (self.item.load(node, context),)
            refused = wrong_shape(node, self.expected)
            hint = "a dash before each item makes a list"
            if isinstance(node, Scalar):
                hint = refused.hint if node.missing else f"did you mean [{show(node.text)}]?"
            raise Refused(refused.what, hint)
        if not node.items and not self.empty:
            raise Refused("the list is empty", f"each item is {self.item.expected}")
        if len(node.items) > self.most:
            raise Refused(f"{len(node.items)} are too many here", f"at most {self.most}")
        return tuple(item for each in node.items if (item := context.take(self.item, each)) is not None)

    def schema(self, templates: bool) -> Schema:
        """An array, or one item where that is admitted."""
        item = self.item.schema(templates)
        array = {"type": "array", "items": item, "minItems": int(not self.empty), "maxItems": self.most}
        return {"anyOf": [item, array]} if self.single else array


@dataclass(frozen=True)
class Key:
    """A key of a mapping: its grammar, what it is for, and whether it must be there."""

    name: str
    grammar: Grammar[Any]
    doc: str
    required: bool = False


@dataclass
class Record:
    """What a mapping held: the values that could be loaded, and the place of each key's value.

    `sound` where nothing was wrong in it.
    """

    place: Place
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    sound: bool = True

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a key, or the default where it is absent or was refused."""
        return self.values.get(key, default)

    def at(self, key: str) -> Place:
        """Where the key's value stands; the mapping's own place where it is absent."""
        return self.places.get(key, self.place)

    def __contains__(self, key: str) -> bool:
        return key in self.places


class Struct(Grammar[Record]):
    """A mapping with known keys; `expected` names it in messages, `doc` in the schema.

    Exactly one of the keys `one_of` must be there, at least one of `any_of`, and a key of `beside` only together
    with the other that it names.
    """

    shapes = (MapNode,)

    def __init__(
        self,
        expected: str,
        *keys: Key,
        doc: str = "",
        one_of: tuple[str, ...] = (),
        any_of: tuple[str, ...] = (),
        beside: Mapping[str, str] | None = None,
    ) -> None:
        self.expected = expected
        self.keys = {key.name: key for key in keys}
        self.doc = doc
        self.one_of = one_of
        self.any_of = any_of
        self.beside = beside or {}

    def load(self, node: Node, context: Context) -> Record:
        """The record; unknown and missing keys are reported."""
        if not isinstance(node, MapNode):
            refused = wrong_shape(node, self.expected)
            keys = [key.name for key in self.keys.values() if key.required] or list(self.keys)
            raise Refused(refused.what, f"a mapping with the key{'s' * (len(keys) > 1)} {', '.join(keys)}")
        record = Record(node.place)
        before = len(context.problems)
        meant = set()
        for name, value in node.items:
            key = self.keys.get(name.text)
            if key is None:
                meant.add(self._unknown(name, context))
                continue
            record.places[name.text] = value.place
            loaded = context.take(key.grammar, value)
            if loaded is not None:
                record.values[name.text] = loaded
        for key in self.keys.values():
            if key.required and key.name not in record and key.name not in meant:
                context.report(node, f"{self.expected} needs the key {key.name}", f"{key.name}: {key.grammar.expected}")
        self._combination(record, bool(meant), context)
        record.sound = len(context.problems) == before
        return record

    def _combination(self, record: Record, unknown: bool, context: Context) -> None:
        """Report keys that must not stand together, or not alone; an `unknown` key may be the one that is missing."""
        if self.any_of and not unknown and not any(key in record for key in self.any_of):
            context.report(record.place, f"{self.expected} needs {' or '.join(self.any_of)}")
        found = [key for key in self.one_of if key in record]
        if self.one_of and (len(found) > 1 or (not found and not unknown)):
            what = f"{self.expected} has {' and '.join(found)}" if found else f"{self.expected} has no kind"
            context.report(record.place, what, f"exactly one of {', '.join(self.one_of)} is needed")
        for key, other in self.beside.items():
            if key in record and other not in record and (len(found) == 1 or other not in self.one_of):
                context.report(record.at(key), f"{key} stands without {other}", f"add {other}, or leave {key} out")

    def _unknown(self, name: Scalar, context: Context) -> str | None:
        """Report an unknown key; the key that was probably meant."""
        if name.text == "<<":
            context.report(name, "merge keys (<<) are not supported", "write the keys out")
            return None
        context.report(name, f"unknown key {show(name.text)} in {self.expected}", nearest(name.text, self.keys, "keys"))
        return close(name.text, self.keys)

    def schema(self, templates: bool) -> Schema:
        """An object with these properties and no others."""
        properties = {key.name: {**key.grammar.schema(templates), "description": key.doc} for key in self.keys.values()}
        schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
        if required := [key.name for key in self.keys.values() if key.required]:
            schema["required"] = required
        if self.any_of:
            schema["anyOf"] = [{"required": [key]} for key in self.any_of]
        if self.one_of:
            schema["oneOf"] = [{"required": [key]} for key in self.one_of]
        if self.beside:
            schema["dependentRequired"] = {key: [other] for key, other in self.beside.items()}
        return {**schema, "description": self.doc} if self.doc else schema


@dataclass(frozen=True)
class Entry(Generic[T]):
    """One entry of a mapping by name; `value` is None where it was refused."""

    name: str
    value: T | None
    place: Place  # of the name
    value_place: Place


class NamedMap(Grammar[tuple[Entry[T], ...]]):
    """A mapping from names of the writer's choice to values of one kind."""

    shapes = (MapNode,)

    def __init__(self, expected: str, name: ScalarGrammar[str], value: Grammar[T], *, empty: bool = True) -> None:
        self.expected = expected
        self.name = name
        self.value = value
        self.empty = empty

    def load(self, node: Node, context: Context) -> tuple[Entry[T], ...]:
        """The entries in the order of the file; those with a wrong name are reported and left out."""
        if not isinstance(node, MapNode):
            raise wrong_shape(node, self.expected)
        if not node.items and not self.empty:
            raise Refused("the mapping is empty", f"expected: {self.expected}")
        entries = []
        for key, value in node.items:
            loaded = context.take(self.value, value)
            try:
                entries.append(Entry(self.name.parse(key.text, context), loaded, key.place, value.place))
            except Refused as refused:
                context.report(key, refused.what, refused.hint)
        return tuple(entries)

    def schema(self, templates: bool) -> Schema:
        """An object whose property names fit the name's grammar."""
        return {
            "type": "object",
            "propertyNames": self.name.plain_schema(),
            "additionalProperties": self.value.schema(templates),
            "minProperties": int(not self.empty),
        }


class Either(Grammar[Any]):
    """One of several kinds; the node's shape decides, and among kinds of one shape the first that fits."""

    def __init__(self, *kinds: Grammar[Any], expected: str = "") -> None:
        self.kinds = kinds
        self.expected = expected or " or ".join(kind.expected for kind in kinds)
        self.shapes = tuple(shape for kind in kinds for shape in kind.shapes)

    def load(self, node: Node, context: Context) -> Any:
        """The value; raises `Refused` where it fits none."""
        fitting = [kind for kind in self.kinds if isinstance(node, kind.shapes)]
        if not fitting or (isinstance(node, Scalar) and node.missing):
            raise wrong_shape(node, self.expected)
        for kind in fitting[:-1]:
            try:
                return kind.load(node, context)
            except Refused:
                continue
        if len(fitting) == 1:
            return fitting[0].load(node, context)
        try:
            return fitting[-1].load(node, context)
        except Refused as refused:
            if not isinstance(node, Scalar):
                raise
            raise Refused(f"{show(node.text)} is not {self.expected}", refused.hint) from None

    def schema(self, templates: bool) -> Schema:
        """Any of the kinds."""
        return {"anyOf": [kind.schema(templates) for kind in self.kinds]}


class Variant(Grammar[tuple[str, Record]]):
    """A mapping whose keys depend on the word under one of them: (that word, the record)."""

    shapes = (MapNode,)

    def __init__(self, expected: str, tag: str, variants: Mapping[str, Struct]) -> None:
        self.expected = expected
        self.tag = tag
        self.variants = variants

    def load(self, node: Node, context: Context) -> tuple[str, Record]:
        """The word and the record; raises `Refused` where the word is missing or unknown."""
        if not isinstance(node, MapNode):
            raise wrong_shape(node, self.expected)
        word = node.get(self.tag)
        if word is None:
            known = nearest("", self.variants)
            raise Refused(f"{self.expected} needs the key {self.tag}", known)
        if not isinstance(word, Scalar) or word.text not in self.variants:
            text = word.text if isinstance(word, Scalar) else ""
            context.report(word, f"there is no {self.tag} {show(text)}", nearest(text, self.variants))
            return "", Record(node.place, sound=False)
        return word.text, self.variants[word.text].load(node, context)

    def schema(self, templates: bool) -> Schema:
        """One object for each word."""
        kinds = []
        for word, struct in self.variants.items():
            schema = struct.schema(templates)
            schema["properties"] = {**schema["properties"], self.tag: {"const": word, "description": struct.doc}}
            kinds.append(schema)
        return {"type": "object", "required": [self.tag], "anyOf": kinds}


class Later(Grammar[Any]):
    """A key that belongs to the grammar and does not work yet: always refused, clearly."""

    shapes = (Scalar, ListNode, MapNode)

    def __init__(self, what: str) -> None:
        self.expected = what

    def load(self, node: Node, context: Context) -> Any:
        """Raises `Refused`."""
        raise Refused(f"{self.expected} is not supported yet", "leave this key out")

    def schema(self, templates: bool) -> Schema:
        """Nothing fits."""
        return {"not": {}}

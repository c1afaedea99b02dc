"""What each check is, told from its own record: its claims, its rule, its parameters, and a line that uses it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.checks.base import Check
from lab.exercise.grammar import COMMON, check_grammar
from lab.grammar import Context, Duration, Either, Grammar, List, Parameter, parameters
from lab.grammar.refs import Reference
from lab.yaml.text import parse_yaml, show

_SAMPLES = {"step": "server", "check": "opened", "fault": "lost", "network": "lan", "point": "client:eth0"}
_NODES = {"to": "server", "next_hop": "r1", "via": "r1"}


@dataclass(frozen=True)
class Row:
    """A parameter as its file writes it; `default` is None where it has to be given, "" where it may be left out."""

    key: str
    kind: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class Description:
    """A check in words; `example` is a line under `checks:` in an exercise, on a topology such as two-lans.

    `says` is what such a check says of a run that fails it.
    """

    name: str
    claims: tuple[str, ...]
    summary: str
    details: str
    rule: str
    parameters: tuple[Row, ...]
    common: tuple[Row, ...]
    example: str
    says: str


def describe(check: type[Check]) -> Description:
    """Everything that its class, its docstring and its grammar say of a kind of check."""
    summary, _, details = (inspect.getdoc(check) or "").partition("\n")
    own = tuple(parameters(check))
    rows = tuple(Row(each.key, each.grammar.expected, _default(each), each.doc) for each in own)
    common = tuple(Row(key.name, key.grammar.expected, None if key.required else "", key.doc) for key in COMMON)
    return Description(
        check.kind, check.claims, summary, details.strip(), check.rule, rows, common, _example(check, own), check.says
    )


def _default(parameter: Parameter) -> str | None:
    if parameter.required:
        return None
    if isinstance(parameter.default, bool):
        return str(parameter.default).lower()
    if isinstance(parameter.default, tuple):
        return ", ".join(map(str, parameter.default))
    if isinstance(parameter.grammar, Duration) and parameter.default is not None:
        return f"{parameter.default:g}s"  # a file has to name the unit
    return "" if parameter.default is None else str(parameter.default)


def _example(check: type[Check], own: tuple[Parameter, ...]) -> str:
    """A line with every required parameter, and the first optional one where the check asks for one more."""
    required = [each for each in own if each.required]
    lines = [_line(check.kind, required)]
    lines += [_line(check.kind, [*required, each]) for each in own if not each.required]
    return next((line for line in lines if _is_taken(check, line)), lines[0])


def _line(kind: str, given: Sequence[Parameter]) -> str:
    keys = [f"id: my-{kind}", f"check: {kind}", *(f"{each.key}: {_sample(each.key, each.grammar)}" for each in given)]
    return f"- {{{', '.join([*keys, 'points: 1'])}}}"


def _is_taken(check: type[Check], line: str) -> bool:
    """Whether a check can be made of a line, references aside."""
    root, problems = parse_yaml(line.removeprefix("- "), "example")
    context = Context(problems=problems)
    record = context.take(check_grammar(check.kind, check), root)
    if record is None or context.problems:
        return False
    made = check(**{each.field: record.values[each.key] for each in parameters(check) if each.key in record.values})
    return not list(getattr(made, "problems", tuple)())


def _sample(key: str, grammar: Grammar[Any]) -> str:
    if isinstance(grammar, List):
        return f"[{_sample(key, grammar.item)}]"
    if isinstance(grammar, Either):
        return _sample(key, grammar.kinds[0])
    if isinstance(grammar, Reference):
        return _NODES.get(key, "client") if grammar.kind == "node" else _SAMPLES[grammar.kind]
    if key == "port":
        return "7000"
    own = getattr(grammar, "sample", None)
    return str(own) if own is not None else _from_schema(grammar.schema(templates=False))


def _from_schema(schema: Mapping[str, Any]) -> str:
    """The least that a JSON Schema admits, in YAML."""
    if "anyOf" in schema:
        return _from_schema(schema["anyOf"][0])
    if "enum" in schema:
        return show(str(schema["enum"][0]))
    if schema.get("type") in ("integer", "number"):
        return str(max(1, schema.get("minimum", 1)))
    return "true" if schema.get("type") == "boolean" else '"hello"'

"""Records that were read back from a file hold what they declare, or are refused where they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def as_declared(record: Record) -> Record:
    """The dataclass itself; raises TypeError for the first value, at any depth, that is not of its declared type."""
    _check(record, type(record), type(record).__name__)
    return record


def _check(value: Any, declared: Any, where: str) -> None:
    origin, inner = get_origin(declared), get_args(declared)
    if origin in (Union, UnionType):
        declared = next((each for each in inner if _fits(value, each)), inner[0])
        origin, inner = get_origin(declared), get_args(declared)
    if not _fits(value, declared):
        raise TypeError(f"{where} is {value!r:.60}")
    if is_dataclass(value) and not isinstance(value, type):
        for name, kind in _kinds(type(value)):
            _check(getattr(value, name), kind, f"{where}.{name}")
    elif origin is tuple:
        for each, kind in zip(value, [inner[0]] * len(value) if inner[1:] == (...,) else inner, strict=True):
            _check(each, kind, where)
    elif origin is Mapping:
        for key, each in value.items():
            _check(key, inner[0], where)
            _check(each, inner[1], where)


def _fits(value: Any, declared: Any) -> bool:
    """Whether a value is of a type, seen from outside."""
    origin, inner = get_origin(declared), get_args(declared)
    if declared is Any:
        return True
    if origin is Literal:
        return value in inner
    if origin is tuple and inner[1:] != (...,):
        return isinstance(value, tuple) and len(value) == len(inner)
    return isinstance(value, (int, float) if declared is float else origin or declared)


@cache
def _kinds(kind: type) -> list[tuple[str, Any]]:
    hints = get_type_hints(kind)
    return [(each.name, hints[each.name]) for each in fields(kind)]

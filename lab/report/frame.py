"""One frame as `lab frame` prints it: its layers and their standards, fields in columns, what claim each shows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from lab.report.safe import safe
from lab.report.text import Line
from lab.trace.claims import CLAIMS
from lab.trace.explained import Layer

_WIDEST = (22, 24)  # columns of names and values; what is wider pushes its meaning to the next line
_NARROWEST = 20  # columns that a meaning needs beside them


def frame_lines(layers: Iterable[Layer], *, width: int = 100) -> list[Line]:
    """Every layer from the outside in; what a field means is wrapped in its own column."""
    layers = list(layers)
    rows = [(field.name, safe(field.value)) for layer in layers for field in layer.fields]
    name, value = (
        max((len(row[column]) for row in rows if len(row[column]) <= most), default=0)
        for column, most in enumerate(_WIDEST)
    )
    indent = 2 + name + 2 + value + 2
    if width - indent < _NARROWEST:
        indent = 6
    lines = []
    for layer in layers:
        lines.append(Line("title", safe(layer.name) + (f" ({layer.standard})" if layer.standard else "")))
        if layer.claim:
            lines += _wrapped("note", "  ", f"shows {layer.claim}: {CLAIMS.get(layer.claim, '')}", width, 4)
        for field in layer.fields:
            head = f"  {field.name:<{name}}  {safe(field.value):<{value}}  "
            lines += _wrapped("", head, safe(field.meaning), width, indent)
    return lines


def _wrapped(style: str, head: str, text: str, width: int, indent: int) -> Iterator[Line]:
    """Text behind a head, its later lines indented; beginning below the head where that reaches into the text."""
    if len(head) > indent:
        yield Line(style, head.rstrip())
        head = " " * indent
    wrapper = textwrap.TextWrapper(max(width, indent + _NARROWEST), initial_indent=head, subsequent_indent=" " * indent)
    for line in wrapper.wrap(text):
        yield Line(style, line)

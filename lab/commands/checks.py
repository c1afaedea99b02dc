"""What can be checked: every check in a line, or one of them in full."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from lab import console
from lab.checks import CHECKS
from lab.checks.describe import Description, Row, describe
from lab.errors import LabError
from lab.grammar import nearest
from lab.trace.claims import CLAIMS


def checks(name: str | None, as_json: bool) -> None:
    """Print every check with its claims, or one with its parameters, rule and an example; LabError if unknown."""
    if name is not None and name not in CHECKS:
        raise LabError(f"there is no check {name}", hint=nearest(name, CHECKS, "checks"))
    if name is not None:
        found = describe(CHECKS[name])
        if as_json:
            console.show_json(asdict(found))
        else:
            console.show(_whole(found))
        return
    everything = [describe(each) for each in CHECKS.values()]
    if as_json:
        console.show_json([asdict(each) for each in everything])
    else:
        rows = [(each.name, " ".join(each.claims), each.summary) for each in everything]
        console.show(console.table(("CHECK", "CLAIMS", "WHAT IT PROVES"), rows))


def _whole(check: Description) -> Iterator[tuple[str, str]]:
    width = console.width()
    yield "title", f"{check.name}: {check.summary}"
    if check.details:
        yield "", ""
        yield from (("", line) for line in check.details.splitlines())
    yield "", ""
    yield "", f"Rule: {check.rule}"
    for claim in check.claims:
        yield "", f"Claim {claim}" + (f": {CLAIMS[claim]}" if claim in CLAIMS else "")  # a package's may be its own
    yield "", ""
    yield from _rows("PARAMETERS", check.parameters, width)
    yield "", ""
    yield from _rows("AS WITH EVERY CHECK", check.common, width)
    yield "", ""
    yield "title", "EXAMPLE"
    yield "", f"  {check.example}"
    if check.says:
        yield "", ""
        yield "title", "WHAT IT SAYS, FOR EXAMPLE"
        yield "failed", f"  ✗ my-{check.name}   seen: {check.says}"


def _rows(head: str, rows: Sequence[Row], width: int) -> Iterator[tuple[str, str]]:
    yield "title", head
    longest = max((len(row.key) for row in rows), default=0)
    for row in rows:
        when = "required" if row.default is None else f"default {row.default}" if row.default else "optional"
        text = f"{row.meaning} ({row.kind}; {when})"
        lines = textwrap.wrap(text, width - longest - 4)
        for number, line in enumerate(lines):
            yield "", f"  {row.key if number == 0 else '':{longest}}  {line}"

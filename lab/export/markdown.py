"""Feedback to read, in Markdown: points, causes, and the report with its frames in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lab.export.result import Told, checks, feedback, score
from lab.grade import UNVERIFIED
from lab.report.safe import safe

_SIGNS = {"passed": "✓", "failed": "✗", "not measured": "?"}


def render(result: Mapping[str, Any]) -> str:
    """A page for the student; what a program wrote stands in a block, where nothing of it is markup."""
    points, of = score(result)
    label = f", {UNVERIFIED}" if result.get("report", {}).get("unverified") else ""
    lines = [f"# {plain(result['exercise']['name'])}: {points} of {of} points{label}", ""]
    for cause in result["shown"]["causes"]:
        lines += [f"**Why:** {plain(cause['text'])}", ""]
        if cause["look_at"]:
            lines += [f"Look again at {plain(cause['look_at'])}.", ""]
    lines += ["| check | | points |", "|---|---|---|", *map(_row, checks(result)), "", "## What was seen", ""]
    text = feedback(result)
    fence = "`" * max([3, *(len(found) + 1 for found in re.findall("`+", text))])
    return "\n".join([*lines, f"{fence}text", text, fence, ""])


def _row(told: Told) -> str:
    worth = f"{told.points} of {told.of}" if told.of else f"{told.points:+g}" if told.points else ""
    return f"| {plain(told.id)} | {_SIGNS[told.verdict]} | {worth} |"


def plain(text: str) -> str:
    """Text of which Markdown makes nothing else, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~$-])", r"\\\1", safe(text))

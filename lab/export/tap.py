"""TAP 14 (testanything.org): a test point a check, and what was seen as its YAML block."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.export.result import checks


def render(result: Mapping[str, Any]) -> str:
    """A failed check that is not graded is a TODO, which fails no one."""
    told = checks(result)
    lines = ["TAP version 14", f"1..{len(told)}"]
    for number, each in enumerate(told, 1):
        name = each.id.replace("\\", "\\\\").replace("#", "\\#")
        todo = " # TODO not graded" if not each.passed and not each.of and not each.points else ""
        lines.append(f"{'ok' if each.passed else 'not ok'} {number} - {name}{todo}")
        # JSON is YAML; ASCII alone, for some parsers split lines at more than \n.
        block = {"verdict": each.verdict, "points": each.points, "of": each.of, "seen": each.text}
        lines += ["  ---", *(f"  {key}: {json.dumps(value)}" for key, value in block.items()), "  ..."]
    return "\n".join(lines) + "\n"

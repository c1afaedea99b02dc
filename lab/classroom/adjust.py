"""What a person adds to grades or takes off: `adjustments.csv`, beside the grades, which no regrading touches."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.errors import LabError, Place, Problem
from lab.grade import tidy

FILE = "adjustments.csv"
COLUMNS = ("student", "check", "points", "reason", "by")
Adjustments = Mapping[str, Sequence[Mapping[str, Any]]]


def read_adjustments(out: Path) -> Adjustments:
    """By student, what is added to their points (-2 takes off); `LabError` holds every mistake of the file."""
    path = out / FILE
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        return {}
    return parse_adjustments(text, str(path))


def parse_adjustments(text: str, where: str) -> Adjustments:
    """The adjustments in a text; pure."""
    reader = csv.DictReader(io.StringIO(text), restval="")
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise LabError(f"its first line is not {','.join(COLUMNS)}", where, "points are what is added, such as 2 or -1")
    found: dict[str, list[Mapping[str, Any]]] = {}
    problems = []
    for row in reader:
        place = Place(where, reader.line_num, 1)
        try:
            points = tidy(float(row["points"]))
        except (ValueError, OverflowError):
            problems.append(Problem(f"points are {row['points']!r}", place, "what is added, such as 2 or -1"))
            continue
        empty = [name for name in ("student", "reason", "by") if not row[name].strip()]
        problems += [Problem(f"{name} is empty", place, "who, why and by whom belong to it") for name in empty]
        told = {"check": row["check"], "points": points, "reason": row["reason"], "by": row["by"]}
        found.setdefault(row["student"], []).append(told)
    if problems:
        raise LabError(problems)
    return found


def adjusted(result: Mapping[str, Any], adjustments: Adjustments) -> dict[str, Any]:
    """A result with what a person said of it; its points never fall below none."""
    own = list(adjustments.get(result["student"], ()))
    if not own or "grade" not in result:
        return dict(result)
    points = max(0, result["grade"]["points"] + sum(each["points"] for each in own))
    return {**result, "grade": {**result["grade"], "points": tidy(points)}, "adjustments": own}

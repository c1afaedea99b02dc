"""What a person adds to grades or takes off: `adjustments.csv`, beside the grades, which no regrading touches."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lab.checks.names import count
from lab.classroom.naming import composed
from lab.classroom.results import Results
from lab.errors import LabError, Place, Problem, raise_problems
from lab.grade import tidy
from lab.grammar import nearest
from lab.report.safe import safe
from lab.yaml.text import read_text, show

FILE = "adjustments.csv"
COLUMNS = ("student", "check", "points", "reason", "by")
Adjustments = Mapping[str, Sequence[Mapping[str, Any]]]  # by student


class Person(Protocol):
    """Who handed in, whether or not there is a grade yet."""

    @property
    def student(self) -> str:
        """By what the student is known."""

    @property
    def name(self) -> str:
        """What the student is called."""

    @property
    def members(self) -> tuple[str, ...]:
        """All students of a group."""


@dataclass(frozen=True)
class Row:
    """A line of the file."""

    place: Place
    student: str
    check: str
    points: float
    reason: str
    by: str


@dataclass(frozen=True)
class _Known:
    """A student whom a line can mean; what was earned where there is a grade."""

    student: str
    name: str
    members: tuple[str, ...]
    earned: tuple[float, float] | None = None  # and of how many
    by_check: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def read_adjustments(
    results: Results,
    *,
    expected: Iterable[Person] = (),
    checks: Collection[str] | None = None,
    totals: bool = True,
) -> Adjustments:
    """By student, what is added to their points (-2 takes off); `LabError` holds every mistake of the file.

    `expected` are students who may have no result yet, `checks` those that are graded (None: those of the results).
    Without `totals` the points may still exceed what can be earned, for they are about to change.
    """
    path = results.out / FILE
    if not os.path.lexists(path):
        return {}
    rows = parse_adjustments(read_text(path), str(path))
    known = {each.student: _Known(each.student, each.name, each.members) for each in expected}
    found: dict[str, None] = {}
    for told in results:
        grade = told.get("grade") if told["state"] == "graded" else None
        earned = (grade["points"], grade["of"]) if grade else None
        reported = told["report"]["checks"] if "report" in told else ()
        by_check = {check["id"]: (check["points"], check["of"]) for check in reported if earned}
        known[told["student"]] = _Known(told["student"], told["name"], tuple(told["members"]), earned, by_check)
        found |= {check["id"]: None for check in reported}
    return _resolve(rows, list(known.values()), list(found) if checks is None else checks, totals=totals)


def parse_adjustments(text: str, where: str | Path) -> list[Row]:
    """The lines of a text; pure."""
    where, hint = str(where), "points are what is added, such as 2 or -1"
    reader = csv.DictReader(io.StringIO(text), restval="")
    found, problems = [], []
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            for sign, called in ((";", "semicolons"), ("\t", "tabs")):
                if sign in text.partition("\n")[0]:
                    hint = f"its columns are parted by {called}: save it with commas between them"
            raise LabError(f"its first line is not {','.join(COLUMNS)}", Place(where, 1, 1), hint)
        for row in reader:
            told = _row(row, Place(where, reader.line_num, 1))
            if isinstance(told, Row):
                found.append(told)
            else:
                problems += told
    except csv.Error as error:
        raise LabError(f"this is not CSV: {error}", Place(where, max(1, reader.line_num), 1)) from None
    raise_problems(problems)
    return found


def _row(row: Mapping[Any, Any], place: Place) -> Row | list[Problem]:
    """A line, or what is wrong with it; nothing at all where a spreadsheet left it blank."""
    if None in row:
        return [Problem(f"there are more than {len(COLUMNS)} columns", place, 'a text with a comma: "a, b"')]
    cells = {name: row[name].strip() for name in COLUMNS}
    if not any(cells.values()):
        return []
    empty = [name for name in ("student", "reason", "by") if not cells[name]]
    problems = [Problem(f"{name} is empty", place, "who, why and by whom belong to it") for name in empty]
    try:
        points = float(cells["points"])
    except ValueError:
        points = math.nan
    if not math.isfinite(points):
        problems.append(Problem(f"points are {row['points']!r}", place, "what is added, such as 2 or -1"))
    return problems or Row(place, composed(cells["student"]), cells["check"], points, cells["reason"], cells["by"])


def _resolve(rows: Iterable[Row], known: Sequence[_Known], checks: Collection[str], *, totals: bool) -> Adjustments:
    """Whose each line is; raises `LabError` for those of nobody, of no check, and beyond what can be earned."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    last: dict[tuple[str, str], tuple[_Known, Row]] = {}
    problems = []
    for row in rows:
        whose = _meant(row, known)
        if isinstance(whose, Problem):
            problems.append(whose)
        if row.check and checks and row.check not in checks:
            hint = nearest(row.check, list(checks), "checks")
            problems.append(Problem(f"there is no check {show(row.check)}", row.place, hint))
        if isinstance(whose, Problem):
            continue
        told = {"check": row.check, "points": tidy(row.points), "reason": row.reason, "by": row.by}
        found.setdefault(whose.student, []).append(told)
        last[whose.student, row.check] = last[whose.student, ""] = whose, row
    for (student, check), (whose, row) in last.items() if totals else ():
        earned = whose.by_check.get(check) if check else whose.earned
        added = sum(each["points"] for each in found[student] if check in ("", each["check"]))
        if earned and added > 0 and tidy(earned[0] + added) > earned[1]:
            points, of = map(tidy, earned)
            what = f"{show(row.student)} would have {tidy(points + added)} of {of} points"
            hint = f"{points} are earned: at most {tidy(of - points)} can be added in all"
            problems.append(Problem(f"{what} for {show(check)}" if check else what, row.place, hint))
    raise_problems(problems)
    return found


def _meant(row: Row, known: Sequence[_Known]) -> _Known | Problem:
    """The student of a line, by id or by a name that only one bears; results of an earlier lab have names as typed."""
    if same := [each for each in known if composed(each.student) == row.student]:
        return same[0]
    if group := [each for each in known if row.student in map(composed, each.members)]:
        hint = f"what is said of {show(group[0].student)} holds for the whole group"
        return Problem(f"{show(row.student)} was graded in the group of {show(group[0].student)}", row.place, hint)
    named = [each for each in known if composed(each.name).casefold() == row.student.casefold()]
    if len(named) == 1:
        return named[0]
    if named:
        hint = "say which by the id: " + ", ".join(show(each.student) for each in named)
        return Problem(f"{len(named)} students are called {show(row.student)}", row.place, hint)
    names = [*(each.student for each in known), *(each.name for each in known if each.name)]
    return Problem(f"there is no student {show(row.student)}", row.place, nearest(row.student, names, "students"))


def adjusted(result: Mapping[str, Any], adjustments: Adjustments) -> dict[str, Any]:
    """A result with what its lateness costs and what a person said of it; its points never fall below none."""
    own = list(adjustments.get(result["student"], ()))
    late = result.get("lateness")
    if "grade" not in result or not (own or late):
        return dict(result)
    points = result["grade"]["points"] + sum(each["points"] for each in (*own, *([late] if late else ())))
    changed = {**result, "grade": {**result["grade"], "points": tidy(max(0, points))}}
    return {**changed, "adjustments": own} if own else changed


def applied(adjustments: Adjustments, graded: Iterable[str]) -> list[str]:
    """What a person changed of the grades of these students, in words; nothing where nothing was changed."""
    students = set(graded)
    told = [
        f"{student} {each['points']:+g} ({each['reason']})"
        for student, own in adjustments.items() if student in students for each in own
    ]  # fmt: skip
    waiting = [student for student in adjustments if student not in students]
    lines = [f"{count(len(told), 'adjustment')} applied: {'; '.join(told)}"] if told else []
    lines += [f"adjustments wait for a grade of {', '.join(waiting)}"] if waiting else []
    return [safe(line) for line in lines]

"""An LMS's own sheet, filled in: its rows and columns as they were, and no student who is not in it.

Moodle: the offline grading worksheet (mod/assign/feedback/offline/importgradeslib.php). Canvas: the gradebook's CSV
(lib/gradebook_importer.rb), with names in one column or two, its columns parted by commas or semicolons. Who has no
grade is left out, for a blank can erase one.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from lab.classroom.naming import composed
from lab.errors import LabError, Place
from lab.export.result import feedback
from lab.grade import tidy

_NAMES = (("Student",), ("LastName", "FirstName"))
_CANVAS = ("Student", "LastName", "FirstName", "ID", "SIS User ID", "SIS Login ID", "Root Account", "Section")
_MODIFIED = "Last modified (grade)"
MAX_BYTES = 64 * 1024 * 1024  # of a sheet: a page of feedback for each of a large class is beyond a megabyte
_ASSIGNMENT = re.compile(r".+\(\d+\)")


@dataclass(frozen=True)
class Roster:
    """A sheet: its columns, a row a student, and by what they can be told apart, the surest first."""

    lms: str
    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]
    identities: tuple[str, ...]
    points_possible: Mapping[str, str] | None = None
    parted_by: str = ","

    def find(self, student: str, name: str) -> Mapping[str, str] | None:
        """The row of a student, by id or, where only one bears it, by name; plain folders have names for ids."""
        if (row := self.find_by_id(student)) is not None:
            return row
        wanted = {composed(each).casefold() for each in (student, name) if each}
        named = [row for row in self.rows if wanted & _names(row)]
        return named[0] if len(named) == 1 else None

    def find_by_id(self, student: str) -> Mapping[str, str] | None:
        """The row that bears a student's id."""
        student = composed(student)  # results of an earlier version have it as it was
        for column in self.identities:
            wanted = {student, f"Participant {student}"} if column == "Identifier" else {student}
            found = [row for row in self.rows if composed(row[column].strip()) in wanted]
            if len(found) == 1:
                return found[0]
        return None


@dataclass(frozen=True)
class Filled:
    """A sheet to upload, and what its teacher should know first."""

    text: str
    notes: tuple[str, ...] = field(default=())
    entered: int = 0  # rows


def read_roster(text: str, where: str) -> Roster:
    """A sheet of Moodle's or Canvas's, its columns parted by commas, semicolons or tabs; `LabError` for any other."""
    for parted_by in ",;\t":
        reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restval="", delimiter=parted_by)
        try:
            if _lms(columns := tuple(reader.fieldnames or ())):
                rows = tuple({key: value for key, value in row.items() if key is not None} for row in reader)
                return _roster(columns, rows, parted_by)
        except csv.Error as error:
            raise LabError(f"this is not CSV: {error}", Place(where, max(1, reader.line_num), 1)) from None
    hint = "Moodle: the assignment's grading worksheet (columns Identifier, Grade); Canvas: the gradebook's export"
    raise LabError("this is no sheet of Moodle's or Canvas's", where, f"{hint}. Both in English")


def _lms(columns: Sequence[str]) -> str:
    if "Identifier" in columns and "Grade" in columns:
        return "moodle"
    return "canvas" if any(columns[: len(each) + 1] == (*each, "ID") for each in _NAMES) else ""


def _roster(columns: tuple[str, ...], rows: tuple[Mapping[str, str], ...], parted_by: str) -> Roster:
    if _lms(columns) == "moodle":  # which takes commas alone, whatever a spreadsheet made of them
        return Roster("moodle", columns, rows, _present(columns, "Identifier", "ID number", "Email address"))
    possible = next((row for row in rows[:2] if row[columns[0]].strip() == "Points Possible"), None)
    people = tuple(row for row in rows if row is not possible and row["ID"].strip())
    identities = _present(columns, "ID", "SIS Login ID", "SIS User ID")
    return Roster("canvas", columns, people, identities, possible, ";" if parted_by == ";" else ",")


def _present(columns: Sequence[str], *wanted: str) -> tuple[str, ...]:
    return tuple(each for each in wanted if each in columns)


@dataclass(frozen=True)
class Compared:
    """Submissions against a sheet: those of nobody in it, rows with none, and rows with more than one."""

    unmatched: tuple[str, ...]
    missing: tuple[str, ...]
    repeated: tuple[str, ...]


def compare(roster: Roster, students: Iterable[tuple[str, str]]) -> Compared:
    """How (id, name) of everyone who handed in fit the sheet."""
    by_row: dict[int, list[str]] = {}
    unmatched = []
    for student, name in students:
        row = roster.find(student, name)
        if row is None:
            unmatched.append(student)
        else:
            by_row.setdefault(id(row), []).append(student)
    rows = [(called(roster, row), by_row.get(id(row), [])) for row in roster.rows]
    repeated = tuple(f"{name}: {', '.join(students)}" for name, students in rows if len(students) > 1)
    return Compared(tuple(unmatched), tuple(name for name, students in rows if not students), repeated)


def called(roster: Roster, row: Mapping[str, str]) -> str:
    """What a person reads of a row: the name, and what tells it apart."""
    return f"{_name(row)} ({row[roster.identities[0]].strip()})".lstrip()


def _name(row: Mapping[str, str]) -> str:
    if "FirstName" in row:
        return f"{row['FirstName']} {row['LastName']}".strip()
    return row.get("Full name") or row.get("Student") or ""


def _names(row: Mapping[str, str]) -> set[str]:
    """How a student is called, with the surname last too where a comma says that it stands first."""
    name = composed(_name(row)).casefold().strip()
    last, comma, first = map(str.strip, name.partition(","))
    return ({name, f"{first} {last}"} if comma else {name}) - {""}


def target_column(roster: Roster, column: str | None = None) -> str:
    """The column that grades go to; raises `LabError` where it cannot be told."""
    if roster.lms == "canvas":
        return _canvas_column(roster, column)
    if column is not None:
        raise LabError("a worksheet of Moodle's is for one assignment", hint="leave --column out")
    return "Grade"


def fill(roster: Roster, results: Iterable[Mapping[str, Any]], column: str | None = None) -> Filled:
    """The sheet with the grades of these results; raises `LabError` where its column cannot be told."""
    target = target_column(roster, column)
    notes: list[str] = []
    if roster.lms == "moodle" and _MODIFIED not in roster.columns:
        notes.append(f"the sheet has no column {_MODIFIED}, without which Moodle takes none")
    grades: dict[int, dict[str, str]] = {}
    by_name: dict[int, str] = {}  # whose grade stands in a row for the name alone
    for result in results:
        for student in result["members"] or [result["student"]]:
            own = roster.find_by_id(student)
            row = own or roster.find(student, "" if result["members"] else result["name"])
            if row is None:
                notes.append(f"{student} is not in the sheet and is left out of it")
            elif id(row) in grades and (own is None or id(row) not in by_name):
                notes.append(f"{student} is a second one for a row of the sheet: only the first was entered")
            elif reason := _protected(roster, row, target):
                notes.append(f"{student} is left out: {reason}")
            else:
                if id(row) in by_name:
                    notes.append(f"{by_name.pop(id(row))} is left out: the row with that name is {student}'s")
                elif own is None:
                    by_name[id(row)] = student
                grades[id(row)] = _entered(roster, row, target, result)
    columns = roster.columns if roster.lms == "moodle" else (*_present(roster.columns, *_CANVAS), target)
    text = io.StringIO()
    write = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\r\n", delimiter=roster.parted_by)
    write.writeheader()
    if roster.points_possible is not None:
        write.writerow(roster.points_possible)
    write.writerows(grades[id(row)] for row in roster.rows if id(row) in grades)
    return Filled(text.getvalue(), tuple(notes), len(grades))


def _entered(roster: Roster, row: Mapping[str, str], target: str, result: Mapping[str, Any]) -> dict[str, str]:
    points, of = result["grade"]["points"], result["grade"]["of"]
    most = _number(_possible(roster, row, target))
    if most is not None:
        points = points * most / of if of else 0
    entered = {**row, target: str(tidy(round(points, 2)))}
    if "Feedback comments" in row:
        text = feedback(result).replace("&", "&amp;").replace("<", "&lt;")
        entered["Feedback comments"] = f"<pre>{text}</pre>"
    return entered


def _possible(roster: Roster, row: Mapping[str, str], target: str) -> str:
    told = row.get("Maximum Grade") or row.get("Maximum grade") or (roster.points_possible or {}).get(target, "")
    return told.strip()


def _number(text: str) -> float | None:
    """A number as a person's language writes it: what follows the last of points and commas are its decimals."""
    whole, sign, decimals = text.replace(",", ".").rpartition(".")
    with suppress(ValueError):
        number = float(whole.replace(".", "") + sign + decimals)
        return number if math.isfinite(number) else None
    return None


def _protected(roster: Roster, row: Mapping[str, str], target: str) -> str:
    if row.get("Grade can be changed", "").strip().lower() == "no":
        return "the sheet says that the grade cannot be changed"
    if (told := _possible(roster, row, target)) and not (_number(told) or 0) > 0:
        return f"the maximum in the sheet is {told}, to which no points can be scaled"
    return "excused in the sheet" if roster.lms == "canvas" and row[target].strip().upper() == "EX" else ""


def _canvas_column(roster: Roster, column: str | None) -> str:
    known = [each for each in roster.columns if _ASSIGNMENT.fullmatch(each) and each not in _CANVAS]
    fitting = known if column is None else [each for each in known if column in (each, each.rpartition(" (")[0])]
    if len(fitting) == 1:
        return fitting[0]
    what = f"there is no assignment {column}" if column else f"the sheet has {len(known)} assignments"
    raise LabError(what, hint="--column says which: " + ", ".join(known))

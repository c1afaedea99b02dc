"""An LMS's own sheet, compared with who handed in, and filled in."""

from __future__ import annotations

from typing import Any

import pytest

from lab.errors import LabError
from lab.export.roster import Compared, compare, fill, read_roster, target_column

MOODLE = """\ufeffIdentifier,Full name,Email address,Grade,Maximum Grade,Grade can be changed,Feedback comments
Participant 11,Anna Abel,a@x,,50.00,Yes,
Participant 12,Bert Böhm,b@x,,50.00,Yes,
Participant 13,Cem Can,c@x,40,50.00,No,
Participant 14,Dora Dorn,d@x,33,50.00,Yes,fine
"""
CANVAS = """Student,ID,SIS Login ID,Section,Echo (5),Other (6)
Points Possible,,,,20,10
"Abel, Anna",11,anna,A,,
"Böhm, Bert",12,bert,A,EX,
"""


def result(student: str, points: float, *members: str, name: str = "") -> dict[str, Any]:
    return {
        "student": student, "name": name, "members": list(members), "grade": {"points": points, "of": 10},
        "feedback": [], "adjustments": [],
    }  # fmt: skip


def test_who_is_missing_unknown_or_there_twice() -> None:
    roster = read_roster(MOODLE, "m.csv")
    found = compare(roster, [("11", ""), ("99", ""), ("x", "Bert Böhm"), ("b@x", "")])
    assert found == Compared(
        ("99",), ("Cem Can (Participant 13)", "Dora Dorn (Participant 14)"), ("Bert Böhm (Participant 12): x, b@x",)
    )


def test_a_sheet_of_moodles_is_filled_in_and_nobody_is_invented() -> None:
    filled = fill(read_roster(MOODLE, "m.csv"), [result("11", 7), result("99", 10), result("13", 10)])
    lines = filled.text.splitlines()
    assert lines[1].startswith("Participant 11,Anna Abel,a@x,35,50.00,Yes,<pre>")
    assert not any(line.startswith(("Participant 12", "Participant 13", "Participant 14")) for line in lines)
    assert [note.partition(" ")[0] for note in filled.notes] == ["99", "13"]


def test_a_group_gets_its_grade_each() -> None:
    filled = fill(read_roster(CANVAS, "c.csv"), [result("11", 5, "11", "12")], "Echo")
    assert filled.text.splitlines() == [
        "Student,ID,SIS Login ID,Section,Echo (5)", "Points Possible,,,,20", '"Abel, Anna",11,anna,A,10'
    ]  # fmt: skip
    assert filled.notes == ("12 is left out: excused in the sheet",)


def test_where_grades_go_has_to_be_told() -> None:
    assert target_column(read_roster(MOODLE, "m.csv")) == "Grade"
    with pytest.raises(LabError, match="the sheet has 2 assignments"):
        target_column(read_roster(CANVAS, "c.csv"))
    with pytest.raises(LabError, match="no sheet of Moodle's or Canvas's"):
        read_roster("name,grade\n", "x.csv")

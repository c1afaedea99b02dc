"""An LMS's own sheet, compared with who handed in, and filled in."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from lab.errors import LabError
from lab.export.roster import Compared, compare, fill, read_roster, target_column

MOODLE = """\ufeffIdentifier,Full name,Email address,Grade,Maximum Grade,Grade can be changed,\
Last modified (grade),Feedback comments
Participant 11,Anna Abel,a@x,,50.00,Yes,-,
Participant 12,Bert Böhm,b@x,,50.00,Yes,-,
Participant 13,Cem Can,c@x,40,50.00,No,-,
Participant 14,Dora Dorn,d@x,33,50.00,Yes,-,fine
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
    assert lines[1].startswith("Participant 11,Anna Abel,a@x,35,50.00,Yes,-,<pre>")
    assert not any(line.startswith(("Participant 12", "Participant 13", "Participant 14")) for line in lines)
    assert [note.partition(" ")[0] for note in filled.notes] == ["99", "13"]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_row_is_whose_id_it_bears_before_another_of_that_name(turn: int) -> None:
    both = [result("05", 2, name="Anna Abel"), result("11", 7, name="Anna Abel")]
    filled = fill(read_roster(MOODLE, "m.csv"), both[::turn])
    assert [line.split(",")[3] for line in filled.text.splitlines()[1:]] == ["35"]
    (note,) = filled.notes
    assert note.startswith("05 is ")


def test_an_id_is_the_same_in_both_of_unicodes_forms() -> None:
    roster = read_roster(MOODLE.replace("b@x", "b\u00f6@x"), "m.csv")
    assert fill(roster, [result(unicodedata.normalize("NFD", "b\u00f6@x"), 7)]).entered == 1


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


@pytest.mark.parametrize("sign", [";", "\t"])
def test_a_sheet_that_a_spreadsheet_saved_with_other_signs(sign: str) -> None:
    roster = read_roster(MOODLE.replace(",", sign), "m.csv")
    assert fill(roster, [result("11", 7)]).text == fill(read_roster(MOODLE, "m.csv"), [result("11", 7)]).text
    canvas = "Student;ID;SIS Login ID;Section;Echo, first (5)\n Points Possible;;;;20,0\nAbel, Anna;11;anna;A;\n"
    filled = fill(read_roster(canvas, "c.csv"), [result("11", 7.25)])
    assert filled.text.splitlines()[1:] == [" Points Possible;;;;20,0", "Abel, Anna;11;anna;A;14.5"]
    assert filled.entered == 1


def test_names_of_canvas_in_two_columns() -> None:
    roster = read_roster("LastName,FirstName,ID,Section,Echo (5)\nAbel,Anna,11,A,\nBo,Bo,12,A,\n", "c.csv")
    filled = fill(roster, [result("x", 7, name="Anna Abel"), result("12", 3)])
    assert filled.text.splitlines() == [
        "LastName,FirstName,ID,Section,Echo (5)", "Abel,Anna,11,A,7", "Bo,Bo,12,A,3"
    ]  # fmt: skip
    assert compare(roster, [("12", "")]).missing == ("Anna Abel (11)",)


@pytest.mark.parametrize(
    ("most", "entered"),
    [("50.00", "35"), ("50,00", "35"), ("1.000,00", "700"), ("1,000.00", "700"), ("", "7"), ("20", "14")],
)
def test_a_maximum_in_every_way_of_writing(most: str, entered: str) -> None:
    sheet = f'Identifier,Grade,Maximum Grade,Last modified (grade)\nParticipant 11,,"{most}",-\n'
    filled = fill(read_roster(sheet, "m.csv"), [result("11", 7)])
    assert filled.text.splitlines()[1].split(",")[1] == entered
    assert filled.notes == ()


@pytest.mark.parametrize("most", ["-", "Pass", "nan", "inf", "0.00", "-5", "1e999"])
def test_points_are_not_scaled_to_what_is_none(most: str) -> None:
    sheet = f"Identifier,Grade,Maximum Grade,Last modified (grade)\nParticipant 11,,{most},-\n"
    filled = fill(read_roster(sheet, "m.csv"), [result("11", 7)])
    assert (filled.entered, len(filled.text.splitlines())) == (0, 1)
    assert filled.notes == (
        f"11 is left out: the maximum in the sheet is {most}, to which no points can be scaled",
    )


def test_what_is_no_sheet_or_none_that_can_be_uploaded() -> None:
    with pytest.raises(LabError, match=r"x\.csv:\d+:1: this is not CSV"):
        read_roster(MOODLE + '"' + "x" * 200_000, "x.csv")
    with pytest.raises(LabError, match="leave --column out"):
        target_column(read_roster(MOODLE, "m.csv"), "Echo")
    (note,) = fill(read_roster("Identifier,Grade\nParticipant 11,\n", "m.csv"), [result("11", 7)]).notes
    assert note == "the sheet has no column Last modified (grade), without which Moodle takes none"


def test_a_name_is_the_same_in_both_forms_of_unicode() -> None:
    decomposed = unicodedata.normalize("NFD", "Bert Böhm")
    assert compare(read_roster(MOODLE, "m.csv"), [("x", decomposed)]).unmatched == ()


@pytest.mark.parametrize("sheet", [MOODLE, CANVAS])
def test_folders_by_each_students_name(sheet: str) -> None:
    roster = read_roster(sheet, "m.csv")
    assert compare(roster, [("bert böhm", ""), ("Anna Abel", "")]).unmatched == ()
    assert compare(roster, [("Bert", ""), ("", ""), ("Abel", "")]).unmatched == ("Bert", "", "Abel")
    twins = read_roster(sheet.replace("Bert Böhm", "Anna Abel").replace("Böhm, Bert", "Abel, Anna"), "m.csv")
    assert compare(twins, [("Anna Abel", ""), ("12", "Anna Abel")]).unmatched == ("Anna Abel",)


def test_canvass_order_of_names_is_understood_as_it_stands() -> None:
    assert compare(read_roster(CANVAS, "c.csv"), [("Abel, Anna", ""), ("x", "Böhm, Bert")]).unmatched == ()

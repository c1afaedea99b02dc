"""What a person adds to grades, and results that are gone: nothing is left out unnoticed."""

from __future__ import annotations

import base64
import json
import unicodedata
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lab.classroom.adjust import FILE, adjusted, applied, parse_adjustments, read_adjustments
from lab.classroom.regrade import Change, compare
from lab.classroom.results import FORMAT, Results
from lab.commands import handback, platforms
from lab.commands.image import export_compose
from lab.errors import NOT_MEASURED, LabError
from lab.export import FORMATS

HEAD = "student,check,points,reason,by\n"


def told(student: str, name: str, points: float | None, *members: str) -> dict[str, Any]:
    shown = {"id": "echoed", "verdict": "failed", "points": 4, "of": 7, "seen": "", "expected": "", "hint": ""}
    report = {"checks": [{**shown, "visible": True}], "hidden": {"checks": 0}, "causes": []}
    graded = {"grade": {"points": points, "of": 10}, "report": report, "shown": report, "feedback": []}
    return {
        "format": FORMAT, "key": student, "student": student, "name": name, "members": list(members), "late": False,
        "state": "not measured" if points is None else "graded", "why": "no time", "runs": [], "attempts": [],
        "exercise": {"name": "tcp-echo", "sha256": "0" * 64}, "lab": "0.1", **({} if points is None else graded),
    }  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Results:
    kept = Results(tmp_path / "grades")
    class_ = [told("11", "Anna", 9), told("12", "Bo", 4.5, "12", "13"), told("14", "Cy", None), told("15", "Bo", 0)]
    for each in class_:
        kept.keep(each)
    (kept.out / "grades.json").write_text(json.dumps({"students": class_}))
    return kept


def adjust(results: Results, *lines: str, head: str = HEAD) -> None:
    (results.out / FILE).write_text(head + "".join(f"{line}\n" for line in lines))


def refused(results: Results) -> list[str]:
    with pytest.raises(LabError) as raised:
        read_adjustments(results)
    return [str(problem).removeprefix(f"{results.out}/") for problem in raised.value.problems]


def test_what_is_added_by_id_and_by_a_name_that_one_bears(results: Results) -> None:
    adjust(
        results, "11,,2,misprint,ada", "anna,echoed,-1.5,late,ada", " 12 ,echoed,1,late,ada", ",,,,", "14,,1,ill,ada"
    )
    found = read_adjustments(results)
    assert {student: [each["points"] for each in own] for student, own in found.items()} == {
        "11": [2, -1.5], "12": [1], "14": [1],
    }  # fmt: skip
    assert adjusted(told("11", "Anna", 9), found)["grade"]["points"] == 9.5
    assert applied(found, ["11", "12"]) == [
        "3 adjustments applied: 11 +2 (misprint); 11 -1.5 (late); 12 +1 (late)",
        "adjustments wait for a grade of 14",
    ]
    assert applied({}, ["11"]) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("111,,1,r,ada", "there is no student 111\n  did you mean 11?"),
        ("Ana,,1,r,ada", "there is no student Ana\n  did you mean Anna?"),
        ("Bo,,1,r,ada", "2 students are called Bo\n  say which by the id: 12, 15"),
        ("13,,1,r,ada", "13 was graded in the group of 12\n  what is said of 12 holds for the whole group"),
        ("11,echod,1,r,ada", "there is no check echod\n  did you mean echoed?"),
        ("11,,1.5,r,ada", "11 would have 10.5 of 10 points\n  9 are earned: at most 1 can be added in all"),
        ("12,echoed,4,r,ada", "12 would have 8 of 7 points for echoed\n  4 are earned: at most 3 can be added in all"),
        ("11,,nan,r,ada", "points are 'nan'\n  what is added, such as 2 or -1"),
        ("11,,1,,ada", "reason is empty\n  who, why and by whom belong to it"),
        ("11,,1,late, but ill,ada", 'there are more than 5 columns\n  a text with a comma: "a, b"'),
    ],
)
def test_a_line_without_effect_is_a_mistake(results: Results, line: str, said: str) -> None:
    adjust(results, line)
    assert refused(results) == [f"{FILE}:2:1: {said}"]


def test_students_and_checks_that_have_no_result_yet(results: Results) -> None:
    adjust(results, "99,sent,1,r,ada")
    assert len(refused(results)) == 2
    new = handback.Listed("99", "99", "", ())
    assert list(read_adjustments(results, expected=[new], checks=["sent"])) == ["99"]
    adjust(results, "11,,5,r,ada")
    assert read_adjustments(results, totals=False)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        (HEAD.encode() + b"11,,1,f\xfcr Anna,ada\n", "adjustments.csv:2:8: byte 0xfc is not UTF-8 text"),
        (b"student;check;points;reason;by\n", "its columns are parted by semicolons"),
        (b"student\tcheck\tpoints\treason\tby\n", "its columns are parted by tabs"),
        (b"student,points\n", "its first line is not student,check,points,reason,by"),
        (b"", "its first line is not"),
        (HEAD.encode() + b"11,,1," + b"x" * 200_000 + b",ada\n", "this is not CSV"),
    ],
)
def test_files_that_are_not_to_be_read(results: Results, written: bytes, said: str) -> None:
    (results.out / FILE).write_bytes(written)
    assert said in refused(results)[0]


def test_a_byte_order_mark_and_no_file_at_all(results: Results) -> None:
    assert read_adjustments(results) == {}
    (results.out / FILE).write_bytes(b"\xef\xbb\xbf" + HEAD.encode() + b"11,,1,r,ada\r\n")
    assert list(read_adjustments(results)) == ["11"]
    assert [each.place.line for each in parse_adjustments(HEAD + '11,,1,"a\nb",x\n12,,1,r,x\n', "f")] == [3, 4]


def test_export_and_regrade_tell_what_was_adjusted(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    adjust(results, "11,echoed,1,our misprint,ada")
    handback.export("feedback", str(results.out), str(results.out / "f"), None)
    assert capsys.readouterr().out.startswith("1 adjustment applied: 11 +1 (our misprint)\n")
    assert "GRADE  10 of 10 points" in (results.out / "f" / "11.md").read_text()
    handback.regrade(str(results.out), None)
    assert "1 adjustment applied: 11 +1 (our misprint)\n" in capsys.readouterr().out


def test_what_a_killed_lab_left_half_done_is_swept_away_and_nothing_else(results: Results) -> None:
    student = results.folder("11")
    whole, half = student / "tcp-echo" / "20260101T000000Z-abcdef", student / "tcp-echo" / "20260101T000001Z-abcdee"
    for run in (whole, half):
        (run / "steps").mkdir(parents=True)
    (whole / "manifest.json").write_text("{}")
    for path in (results.out / ".grades.json.0123abcd", student / ".result.json.0123abcd"):
        path.write_text("{")
    (student / "project" / "src").mkdir(parents=True)
    for name in (".lock", ".hidden", ".backup.20261126"):
        (results.out / name).write_text("")
    for name in ("tcp-echo/notes.txt", "project/src/server.py"):
        (student / name).write_text("")
    before = set(results.out.rglob("*"))
    results.sweep()
    gone = {path.relative_to(results.out).as_posix() for path in before - set(results.out.rglob("*"))}
    run = "students/11/tcp-echo/20260101T000001Z-abcdee"
    assert gone == {".grades.json.0123abcd", "students/11/.result.json.0123abcd", run, f"{run}/steps"}


def test_what_is_written_again_is_told_and_a_sheet_never_over_itself(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    out, sheet = str(results.out), results.out / "sheet.csv"
    text = "Identifier,Full name,Grade\nParticipant 11,Anna,\n"
    sheet.write_text(text)
    for said in ("f: 3 files\n", "f: 3 files, 3 of them in place of an earlier one\n"):
        handback.export("feedback", out, f"{out}/f", None)
        assert capsys.readouterr().out.endswith(said)
    for said in ("to Moodle\n", "to Moodle (in place of an earlier one)\n"):
        handback.export_roster("moodle", out, str(sheet), f"{out}/filled.csv")
        assert capsys.readouterr().out.endswith(said)
    with pytest.raises(LabError, match="over itself"):
        handback.export_roster("moodle", out, str(sheet), str(sheet))
    assert sheet.read_text() == text
    with pytest.raises(LabError, match="a file of the grades themselves"):
        handback.export_roster("moodle", out, str(sheet), f"{out}/adjustments.csv")


@pytest.mark.parametrize("damage", ["", '{"format": 3', '{"format": 3, "key": "11"}', None])
def test_a_result_that_is_gone_is_told_and_nothing_is_written(results: Results, damage: str | None) -> None:
    path = results.folder("12") / "result.json"
    path.unlink() if damage is None else path.write_text(damage)
    sheet = results.out / "roster.csv"
    sheet.write_text("Identifier,Full name,Grade\nParticipant 11,Anna,\n")
    before = sorted(results.out.rglob("*"))
    out = str(results.out)
    for call in (
        lambda: handback.regrade(out, None),
        lambda: handback.export("feedback", out, f"{out}/f", None),
        lambda: handback.export_roster("moodle", out, str(sheet), f"{out}/filled.csv"),
        lambda: handback.bundle(out, "13", f"{out}/12.zip"),
    ):
        with pytest.raises(LabError, match=r"the result of 12 is missing or damaged\n.* lab grade command") as raised:
            call()
        assert raised.value.exit_code == NOT_MEASURED
    assert [each for each in sorted(results.out.rglob("*")) if each.name != ".lock"] == before
    handback.bundle(out, "11", f"{out}/11.zip")
    assert "11/grade.json" in zipfile.ZipFile(f"{out}/11.zip").namelist()


def test_results_of_which_none_can_be_read(results: Results, tmp_path: Path) -> None:
    for each in (results.out / "students").iterdir():
        (each / "result.json").unlink()
    with pytest.raises(LabError, match="the result of 11 is missing or damaged"):
        handback.find_results(str(results.out))
    with pytest.raises(LabError, match="there are no grades here"):
        handback.find_results(str(tmp_path / "nothing"))


def test_a_sheet_with_a_page_of_feedback_for_each_of_a_large_class(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = "Identifier,Grade,Last modified (grade),Feedback comments\n"
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(head + "".join(f'Participant {each},,-,"{"page " * 400}"\n' for each in range(11, 1011)))
    assert sheet.stat().st_size > 2**20
    handback.export_roster("moodle", str(results.out), str(sheet), str(tmp_path / "filled.csv"))
    assert "filled.csv: 4 grades, to be uploaded to Moodle" in capsys.readouterr().out


def test_names_in_either_form_of_unicode_and_names_that_are_no_text(results: Results) -> None:
    for name in ("Zoë", "bad\udcff"):
        results.keep({**told(name, "", 3), "key": name[:2]})
    class_ = [*json.loads((results.out / "grades.json").read_text())["students"], *results]
    (results.out / "grades.json").write_text(json.dumps({"students": class_}))
    decomposed = unicodedata.normalize("NFD", "Zoë")
    adjust(results, f"{decomposed},,1,r,ada")
    assert list(read_adjustments(results)) == ["Zoë"]
    for name, output in ((decomposed, "1.zip"), ("bad\udcff", "2.zip")):
        handback.bundle(str(results.out), name, str(results.out / output))
    with zipfile.ZipFile(results.out / "2.zip") as archive:
        assert json.loads(archive.read("ba/grade.json"))["student"] == "bad\udcff"


def test_results_that_were_kept_before_names_were_composed(results: Results) -> None:
    decomposed = unicodedata.normalize("NFD", "Zoë")
    results.keep({**told(decomposed, "", 3), "key": "zoe"})
    class_ = [*json.loads((results.out / "grades.json").read_text())["students"], *results]
    (results.out / "grades.json").write_text(json.dumps({"students": class_}))
    adjust(results, "Zoë,,1,r,ada")
    assert list(read_adjustments(results)) == [decomposed]
    handback.bundle(str(results.out), "Zoë", str(results.out / "1.zip"))


def test_points_of_every_form_add_up_where_more_is_taken_off_than_was_earned(results: Results) -> None:
    result = told("15", "Bo", 0.5)
    result["report"]["checks"][0]["points"] = 0.5
    result["lateness"] = {"days": 2, "points": -2, "why": "2 days late"}
    line = {"check": "", "points": -1, "reason": "r", "by": "ada"}
    result = adjusted(result, {"15": [line, {**line, "points": 0.25}]})
    assert result["grade"]["points"] == 0
    forms = {name: form.render(result) for name, form in FORMATS.items()}
    classroom = json.loads(base64.b64decode(forms["github"]))["tests"]
    assert [(each["name"], each["score"]) for each in classroom] == [
        ("echoed", 0.5), ("lateness", -2), ("adjustment", -1), ("adjustment (2)", 0.25), ("nothing below 0", 2.25),
    ]  # fmt: skip
    for name, key, points in (("gradescope", "tests", "score"), ("prairielearn", "tests", "points")):
        assert sum(each[points] for each in json.loads(forms[name])[key]) == 0
    assert "ok 5 - nothing below 0" in forms["tap"]
    assert FORMATS["github"].render(told("11", "Anna", 4)).strip()
    assert "nothing below" not in FORMATS["tap"].render(told("11", "Anna", 4))


def test_prairielearn_gets_every_letter_in_less_than_a_megabyte() -> None:
    result = told("11", "Zoë", 9)
    result["feedback"] = [["", "✓ echoed → «ü»"]]
    assert "✓ echoed → «ü»" in json.loads(FORMATS["prairielearn"].render(result))["output"]
    result["feedback"] = [["", "✓𝄞\n" * 200_000]]
    result["shown"]["checks"] = [{**result["shown"]["checks"][0], "seen": "→" * 5000}] * 150
    text = FORMATS["prairielearn"].render(result)
    assert 400_000 < len(text.encode()) < 1_000_000
    assert json.loads(text)["output"].startswith("✓𝄞\n✓")


def test_who_gained_and_who_lost_where_all_can_earn_less(capsys: pytest.CaptureFixture[str]) -> None:
    def changed(before: float | None, after: float | None, of: float) -> Change:
        was, now = told("11", "Anna", before), told("11", "Anna", after)
        if after is not None:
            now["grade"]["of"] = of
        change = compare(was, now)
        assert change
        return change

    changes = [changed(10, 9, 9), changed(9, 8, 9), changed(2, 3, 9), changed(2, 3, 10), changed(None, 0, 9)]
    handback._tell_changes([*changes, changed(3, None, 10)])
    heads = [line for line in capsys.readouterr().out.splitlines() if "state" not in line and "→ graded" not in line]
    assert [each for each in heads if "not measured" not in each] == [
        "gained: 3 students", "  11: 2 of 10 → 3 of 9", "  11: 2 → 3 of 10", "  11: no grade → 0 of 9",
        "lost: 2 students", "  11: 9 of 10 → 8 of 9", "  11: 3 → no grade",
        "the same share of the points for other reasons: 1 student", "  11: 10 of 10 → 9 of 9",
    ]  # fmt: skip


def test_grades_by_two_versions_of_an_exercise_are_told(
    results: Results, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sheet.csv").write_text("Identifier,Grade,Last modified (grade)\nParticipant 11,,-\n")

    def export() -> list[str]:
        handback.export("tap", str(results.out), str(tmp_path / "t"), None)
        sheet, output = str(tmp_path / "sheet.csv"), str(tmp_path / "f.csv")
        handback.export_roster("moodle", str(results.out), sheet, output)
        return [line for line in capsys.readouterr().err.splitlines() if "another version" in line]

    assert export() == []
    results.keep({**told("11", "Anna", 9), "exercise": {"name": "tcp-echo", "sha256": "1" * 64}})
    said = "1 grade by another version of the exercise or of lab than the rest: 11; "
    assert export() == [f"{said}lab grade, or lab regrade, makes them alike"] * 2


def test_a_bundle_is_whole_or_not_there(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyboardInterrupt

    target = results.out / "11.zip"
    with monkeypatch.context() as changed:
        changed.setattr(zipfile.ZipFile, "writestr", broken)
        with pytest.raises(KeyboardInterrupt):
            handback.bundle(str(results.out), "11", str(target))
    assert not list(results.out.glob("*.zip*")) + list(results.out.glob(".*.zip*"))
    handback.bundle(str(results.out), "11", str(target))
    with pytest.raises(LabError, match="this file exists already"):
        handback.bundle(str(results.out), "11", str(target))


def test_evidence_that_a_bundle_cannot_read_is_told(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    (results.folder("11") / "client.eth0.pcap").write_bytes(b"")
    monkeypatch.setattr(zipfile.ZipInfo, "from_file", denied)  # root may read everything
    with pytest.raises(LabError, match="cannot be read: Permission denied"):
        handback.bundle(str(results.out), "11", str(results.out / "11.zip"))
    assert not list(results.out.glob("*.zip*"))


def test_what_can_be_made_again_takes_the_place_of_an_earlier_one_and_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = " (in place of an earlier one)\n"
    for export in (
        lambda: platforms.gradescope_autograder("tcp-echo", str(tmp_path / "a.zip")),
        lambda: platforms.github_workflow("tcp-echo", "ada/course", "main", None, str(tmp_path / "w.yml")),
        lambda: export_compose("two-lans", str(tmp_path / "c.yml")),
    ):
        export()
        assert not capsys.readouterr().out.endswith(again)
        export()
        assert capsys.readouterr().out.partition("hidden")[0].endswith(again)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None


def test_a_column_without_a_sheet_is_a_mistake(tmp_path: Path) -> None:
    from lab.commands.classroom import grade

    with pytest.raises(LabError, match="--column is a column of a sheet"):
        grade("tcp-echo", [str(tmp_path)], out=str(tmp_path.with_name("out")), side_by_side=1, repeat=1, fresh=False,
              runtime=None, column="Echo")  # fmt: skip

"""What a class handed in, as people and LMSs hand it out."""

from __future__ import annotations

import errno
import os
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.catalog import find_exercise
from lab.classroom import naming
from lab.classroom.intake import HandIn, Intake, collect, fingerprint, keep_apart, lacking, open_hand_in
from lab.errors import LabError
from lab.exercise import HandedIn, load_exercise
from lab.exercise.variant import Secret

ECHO = load_exercise(find_exercise("tcp-echo"))


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("server.py", name)
        else:
            path.write_text(name)
    return folder


def taken(folder: Path) -> Intake:
    return collect([str(folder)], ECHO, folder.parent / "scratch")


def content(hand_in: HandIn) -> str:
    return open_hand_in(ECHO, hand_in).files.get("server.py", b"").decode()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Anna Maria Li_12345_assignsubmission_file_", ("moodle", "12345", "Anna Maria Li", "", False)),
        ("Anna_12345_assignsubmission_file_server.py", ("moodle", "12345", "Anna", "server.py", False)),
        ("Participant 77_77_assignsubmission_file", ("moodle", "77", "Participant 77", "", False)),
        ("lianna_4711_99_server.py", ("canvas", "4711", "lianna", "server.py", False)),
        ("lianna_LATE_4711_99_my_server-1.py", ("canvas", "4711", "lianna", "my_server-1.py", True)),
    ],
)
def test_names_of_lmss(name: str, said: tuple[object, ...]) -> None:
    found = naming.parse(name)
    assert found is not None
    assert (found.lms, found.student, found.name, found.file, found.late) == said


@pytest.mark.parametrize("name", ["anna", "anna.zip", "server.py", "my_server_v2.py", "team_1", "hw_1_final.zip"])
def test_names_of_nobody_in_particular(name: str) -> None:
    assert naming.parse(name) is None


def test_folders_archives_and_files_side_by_side(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "anna/server.py", "bert/work/server.py", "carl.zip", "dora.py", "notes.txt", ".x/y")
    found = taken(folder)
    assert [each.student for each in found.hand_ins] == ["anna", "bert", "carl", "dora"]
    assert list(map(content, found.hand_ins)) == ["anna/server.py", "bert/work/server.py", "carl.zip", "dora.py"]
    assert [note.partition(" is ")[2] for note in found.notes] == ["nobody's hand-in and is left aside"]
    assert "dora.py was taken for server.py" in open_hand_in(ECHO, found.hand_ins[3]).notes


def test_moodle_with_and_without_folders(tmp_path: Path) -> None:
    folder = tree(
        tmp_path / "all", "Anna Li_1_assignsubmission_file_/server.py",
        "Anna Li_1_assignsubmission_onlinetext_/onlinetext.html", "Bo_2_assignsubmission_file_server.py",
        "Bo_2_assignsubmission_file_notes.txt", "Cy_3_assignsubmission_file_/work.zip",
    )  # fmt: skip
    found = taken(folder)
    assert [(each.student, each.name) for each in found.hand_ins] == [("1", "Anna Li"), ("2", "Bo"), ("3", "Cy")]
    assert [content(each).rpartition("_")[2] for each in found.hand_ins] == ["/server.py", "server.py", "/work.zip"]


def test_canvas_renames_and_marks_what_is_late(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "lianna_1_10_server-1.py", "lianna_1_12_server-2.py", "obo_LATE_2_11_server.py")
    anna, bo = taken(folder).hand_ins
    assert content(anna) == "lianna_1_12_server-2.py"
    assert open_hand_in(ECHO, anna).notes == ("server-2.py was taken for server.py",)
    assert (anna.late, bo.late) == (False, True)


def test_gradescope_with_a_group(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "a_1_export/submission_5/server.py", "a_1_export/submission_6/x.py")
    (folder / "a_1_export" / "submission_metadata.yml").write_text(
        "submission_5:\n  :submitters:\n  - :name: Anna\n    :sid: '17'\n    :email: a@x\n"
        "  - :name: Bo\n    :sid: '18'\n"
        "submission_6:\n  :submitters:\n  - :name: Cy\n    :email: c@x\n  :created_at: 2026-01-01 10:00:00 Z\n"
        "submission_7:\n  :submitters:\n  - :name: Di\n    :sid: '19'\n"
    )
    anna, cy = taken(folder).hand_ins
    (note,) = taken(folder).notes
    assert note.endswith("names submission_7 of 19, and there is no such folder")
    assert (anna.student, anna.name, anna.members) == ("17", "Anna, Bo", ("17", "18"))
    assert (cy.student, cy.members) == ("c@x", ())
    assert content(anna).endswith("submission_5/server.py")
    assert open_hand_in(ECHO, cy).problems[0].startswith("server.py was not handed in, but x.py was")


def test_a_whole_class_in_one_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("Anna Li_1_assignsubmission_file_/server.py", "anna")
        archive.writestr("Bo_2_assignsubmission_file_/server.py", "bo")
    for _ in range(2):
        found = collect([str(tmp_path / "class.zip")], ECHO, tmp_path / "scratch").hand_ins
        assert [content(each) for each in found] == ["anna", "bo"]


def test_one_submission_by_its_own_path(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "anna/server.py", "bert.zip", "carl.py")
    found = collect([str(folder / "anna"), str(folder / "bert.zip"), str(folder / "carl.py")], ECHO, tmp_path / "s")
    assert [each.student for each in found.hand_ins] == ["anna", "bert", "carl"]


def test_paths_that_an_lms_named_are_understood_as_within_their_folder(tmp_path: Path) -> None:
    folder = tree(
        tmp_path / "all", "Anna Li_1_assignsubmission_file_/work/server.py", "Bo_2_assignsubmission_file_server.py",
        "Bo_2_assignsubmission_file_notes.txt", "Cy_3_assignsubmission_file_work.zip", "dora_4_10_server-1.py",
        "eve_LATE_5_11_server.py", "gil.py", "notes.txt",
    )  # fmt: skip
    (folder / "Fay_6_assignsubmission_file_work.zip").write_bytes(b"PK")
    one_by_one = collect([str(each) for each in sorted(folder.iterdir())], ECHO, tmp_path / "scratch")
    assert one_by_one == taken(folder)
    assert [each.student for each in one_by_one.hand_ins] == ["gil", "1", "2", "3", "4", "5", "6"]
    assert "work.zip was not opened" in open_hand_in(ECHO, one_by_one.hand_ins[6]).problems[0]


def test_a_class_folder_whose_name_looks_like_a_students_is_one(tmp_path: Path) -> None:
    folder = tree(tmp_path / "echo_2026_11_26", "anna/server.py", "bert/server.py")
    assert [each.student for each in taken(folder).hand_ins] == ["anna", "bert"]
    with zipfile.ZipFile(tmp_path / "echo_2026_11_26.zip", "w") as archive:
        archive.writestr("Anna Li_1_assignsubmission_file_/server.py", "anna")
    assert [each.student for each in taken(tmp_path / "echo_2026_11_26.zip").hand_ins] == ["1"]


@pytest.mark.parametrize("name", ["class.zip", "class.tar.gz", "Anna_1_assignsubmission_file_work.zip"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing more", b"\x1f\x8b\x08\0"])
def test_a_given_archive_that_cannot_be_opened_is_no_student(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabError, match=rf"{name}: cannot be opened: it is .*\n  download it again"):
        taken(tmp_path / name)
    if "_" not in name:
        with pytest.raises(LabError, match="cannot be opened"):
            collect([str(tree(tmp_path / "anna", "server.py")), str(tmp_path / name)], ECHO, tmp_path / "s")


def test_who_handed_in_twice_is_told(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "anna/server.py", "anna.zip", "bert/server.py")
    anna, bert = taken(folder).hand_ins
    assert anna.problem.startswith("handed in 2 times")
    assert not bert.problem


def test_a_name_in_both_forms_of_unicode_is_one_student(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
    (one,) = taken(tree(tmp_path, f"{decomposed}/server.py")).hand_ins
    assert (one.student, one.problem) == (composed, "")
    (both,) = taken(tree(tmp_path, f"{composed}/server.py")).hand_ins
    assert both.problem.startswith("handed in 2 times")
    assert Secret(b"x").key("echo", composed) == Secret(b"x").key("echo", decomposed)


def test_a_name_that_is_not_utf_8(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff")
    folder.mkdir()
    (folder / "server.py").write_text("")
    (one,) = taken(tmp_path).hand_ins
    assert one.key == "bad"
    (twice,) = collect([str(tmp_path), str(tmp_path)], ECHO, tmp_path / "scratch").hand_ins
    assert fingerprint(twice) != fingerprint(one)
    assert Secret(b"x").key("echo", one.student) != Secret(b"x").key("echo", "bad")


@pytest.mark.parametrize("closed", ["anna", "anna/server.py"])
def test_what_we_may_not_read_is_not_what_was_not_handed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: str
) -> None:
    folder = tree(tmp_path / "all", "anna/server.py", "bert/server.py")
    path = str(folder / closed)

    def walk(top: Path, onerror: Callable[[OSError], object] | None = None) -> Any:
        if str(top) == path and onerror:  # as os.walk does where root's rights do not hide it
            onerror(PermissionError(errno.EACCES, "Permission denied", path))
            return iter(())
        return walked(top, onerror=onerror)

    walked = os.walk
    monkeypatch.setattr(os, "walk", walk)
    monkeypatch.setattr(os, "access", lambda each, _: str(each) != path)
    anna, bert = taken(folder).hand_ins
    assert anna.problem == f"{path} may not be read: give yourself the right to"
    assert fingerprint(anna)
    assert not bert.problem


def test_a_folder_that_may_be_listed_and_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree(tmp_path / "all", "anna/server.py", "bert/server.py")

    def lstat(path: Path) -> os.stat_result:
        if path.parent == folder / "anna":  # as where root's rights do not hide it
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return looked(path)

    looked = Path.lstat
    monkeypatch.setattr(Path, "lstat", lstat)
    anna, bert = taken(folder).hand_ins
    assert anna.problem == f"{folder}/anna/server.py may not be read: give yourself the right to"
    assert fingerprint(anna)
    assert not bert.problem


def test_a_class_folder_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree(tmp_path / "all", "anna/server.py")

    def iterdir(path: Path) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(LabError, match="this may not be read"):
        taken(folder)


def test_links_are_not_followed(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "anna/x", "bert/x")
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "server.py").write_text("secret")
    (folder / "anna" / "server.py").symlink_to(tmp_path / "secret" / "server.py")
    (folder / "bert" / "work").symlink_to(tmp_path / "secret")
    (folder / "carl").symlink_to(tmp_path / "secret")
    (folder / "dora.zip").symlink_to(tmp_path / "secret" / "server.py")
    found = taken(folder).hand_ins
    assert [content(each) for each in found] == ["", "", "", ""]
    assert "not a plain file" in open_hand_in(ECHO, found[0]).problems[0]
    assert "not a plain file" in open_hand_in(ECHO, found[3]).problems[0]


def test_a_bad_archive_is_that_students_problem(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "anna/server.py")
    (folder / "bert.zip").write_bytes(b"PK\x03\x04 and nothing more")
    (folder / "carl").mkdir()
    tree(folder / "carl", "a.zip", "b.zip")
    problems = [open_hand_in(ECHO, each).problems for each in taken(folder).hand_ins]
    assert problems[0] == ()
    assert "bert.zip was not opened: it is damaged" in problems[1][0]
    assert "several archives were handed in: a.zip, b.zip" in problems[2][0]


def test_fingerprints_change_with_the_content_alone(tmp_path: Path) -> None:
    (anna,) = taken(tree(tmp_path / "all", "anna/server.py")).hand_ins
    before = fingerprint(anna)
    assert fingerprint(anna) == before
    (tmp_path / "all" / "anna" / "server.py").write_text("other")
    assert fingerprint(anna) != before


def test_folders_of_students_never_collide() -> None:
    taken: list[str] = []
    for student in ("Anna", "anna", "../x", "Jos\u00e9", "\u4e2d", "\u6587", "a/b", "."):
        taken.append(naming.key(student, taken))
    assert len({each.casefold() for each in taken}) == len(taken)
    assert all(each.isascii() and "/" not in each and each.strip(".") for each in taken)


@pytest.mark.parametrize("out", ["all", "all/grades", "all/anna", "link", "link/grades", "all/../all/x/y"])
def test_grades_are_not_kept_among_submissions(tmp_path: Path, out: str) -> None:
    folder = tree(tmp_path / "all", "anna/server.py", "bert.py")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(LabError, match=rf"among the submissions in {folder}\n  --out {tmp_path}/grades"):
        keep_apart([str(folder)], tmp_path / out)
    keep_apart([str(folder)], tmp_path / "grades")
    keep_apart([str(folder)], tmp_path)
    keep_apart([str(folder / "bert.py")], folder)
    with pytest.raises(LabError, match="among the submissions"):
        keep_apart([str(folder / "bert.py"), str(folder / "anna")], folder)


@pytest.mark.parametrize("given", ["students", "students/anna", "students/bert.py", "students/anna students/bert.py"])
def test_grades_are_not_kept_where_submissions_have_the_name_of_their_folder(tmp_path: Path, given: str) -> None:
    tree(tmp_path, "students/anna/server.py", "students/bert.py")
    with pytest.raises(LabError, match=rf"among the submissions in {tmp_path}/students\n"):
        keep_apart([str(tmp_path / each) for each in given.split()], tmp_path)


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="there is no nowhere"):
        collect(["nowhere"], ECHO, tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match="nothing was handed in"):
        taken(tmp_path / "empty")


@pytest.mark.parametrize(
    ("files", "before", "problem"),
    [
        (["anna/Server (1).py"], "server.py is not there, but Server (1).py is, and only the name that is asked for",
         "server.py was not handed in, but Server (1).py was, and only the name that is asked for counts"),
        (["anna/client.py", "anna/server copy.py"], "server.py is not there, but server copy.py is,",
         "server.py was not handed in, but server copy.py was,"),
        (["anna/main.py"], "server.py is not there, but main.py is,", "server.py was not handed in, but main.py was,"),
        (["anna/a.py", "anna/b.py"], "server.py is not there", "server.py was not handed in"),
        (["anna/work.rar"], "work.rar was not opened: only zip and tar archives are",
         "work.rar was not opened: only zip and tar archives are"),
        (["anna.7z"], "anna.7z was not opened: only zip", "anna.7z was not opened: only zip"),
        (["anna/server.py", "anna/server (1).py"], "", ""),
        (["anna/in/server.py", "anna/in/notes.rar"], "", ""),
    ],
)  # fmt: skip
def test_what_is_not_there_under_its_name_is_told_before_grading_and_after(
    tmp_path: Path, files: list[str], before: str, problem: str
) -> None:
    (anna,) = taken(tree(tmp_path / "all", *files)).hand_ins
    told, found = lacking(ECHO, anna), open_hand_in(ECHO, anna).problems
    assert anna.student == "anna"
    assert [text.startswith(before) for text in told[:1]] == [True] * bool(before)
    assert [text.startswith(problem) for text in found[:1]] == [True] * bool(problem)


def test_what_stands_behind_a_missing_file_comes_first(tmp_path: Path) -> None:
    folder = tree(tmp_path / "all", "anna/notes.txt")
    (folder / "bert.zip").write_bytes(b"PK, and no more")
    anna, bert = taken(folder).hand_ins
    assert open_hand_in(ECHO, anna).lacking == "server.py was not handed in"
    assert open_hand_in(ECHO, bert).lacking.startswith("bert.zip was not opened: it is damaged")
    assert HandedIn().lacking == "nothing was handed in"
    assert HandedIn({"server.py": b""}, problems=("routes.yaml: line 3",)).lacking == ""

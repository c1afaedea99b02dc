"""What counts of a hand-in, and what is said of the rest."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lab.catalog import find_exercise
from lab.errors import LabError
from lab.exercise import Exercise, Submission, load_exercise, read_submission


@pytest.fixture
def exercise() -> Exercise:
    return load_exercise(find_exercise("tcp-echo"))


def lay(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_named_files_count_and_more_is_ignored(exercise: Exercise, tmp_path: Path) -> None:
    handed_in = read_submission(exercise, lay(tmp_path, "server.py", "notes.txt", "old/server.py"))
    assert handed_in.files == {"server.py": b"server.py"}
    assert (handed_in.missing, handed_in.problems, handed_in.notes) == ((), (), ())


@pytest.mark.parametrize("junk", [(), ("__MACOSX/x/server.py",), (".git/server.py",)])
def test_one_folder_deeper_is_accepted_and_said(exercise: Exercise, tmp_path: Path, junk: tuple[str, ...]) -> None:
    handed_in = read_submission(exercise, lay(tmp_path, "my work/server.py", *junk))
    assert handed_in.files == {"server.py": b"my work/server.py"}
    assert handed_in.notes == ("the files were found one folder deeper, in my work/",)


def test_two_folders_deeper_or_two_candidates_are_not_guessed(exercise: Exercise, tmp_path: Path) -> None:
    assert read_submission(exercise, lay(tmp_path / "deep", "a/b/server.py")).missing == ("server.py",)
    assert read_submission(exercise, lay(tmp_path / "two", "a/server.py", "b/server.py")).missing == ("server.py",)


def test_patterns_hold_folder_by_folder_and_leave_out_the_teachers_files(exercise: Exercise, tmp_path: Path) -> None:
    asked = replace(exercise, submission=Submission(("server.py", "*.py", "lib/*.py")))
    lay(tmp_path, "server.py", "more.py", "client.py", "lib/a.py", "lib/deep/b.py", "runs/x/c.py", "readme.md")
    assert set(read_submission(asked, tmp_path).files) == {"server.py", "more.py", "lib/a.py"}


def test_files_and_routes_can_both_be_asked_for(exercise: Exercise, tmp_path: Path) -> None:
    asked = replace(exercise, submission=Submission(("server.py",), "routes.yaml"))
    assert set(read_submission(asked, lay(tmp_path, "server.py", "routes.yaml")).files) == {"server.py", "routes.yaml"}


@pytest.mark.parametrize("kind", ["link", "link to a folder", "pipe", "folder", "huge"])
def test_what_is_no_plain_file_of_some_size_is_refused(exercise: Exercise, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "in" / "server.py"
    target.parent.mkdir()
    if kind == "link":
        target.symlink_to("/etc/passwd")
    elif kind == "link to a folder":
        target.symlink_to("/etc")
    elif kind == "pipe":
        os.mkfifo(target)
    elif kind == "folder":
        target.mkdir()
    else:
        with target.open("wb") as file:
            file.truncate(1 << 30)
    handed_in = read_submission(exercise, target.parent)
    assert handed_in.files == {}
    assert handed_in.missing == ("server.py",)
    assert len(handed_in.problems) == 1
    assert "server.py" in handed_in.problems[0]


def test_an_empty_folder_lacks_everything_and_no_folder_is_an_error(exercise: Exercise, tmp_path: Path) -> None:
    assert read_submission(exercise, tmp_path).problems == ("server.py was not handed in",)
    with pytest.raises(LabError, match="is no folder"):
        read_submission(exercise, tmp_path / "nothing")


def test_the_digest_tells_names_and_contents_apart(exercise: Exercise, tmp_path: Path) -> None:
    one = read_submission(exercise, lay(tmp_path / "one", "server.py"))
    same = read_submission(exercise, lay(tmp_path / "two/deeper", "server.py"))
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "server.py").write_text("another")
    assert one.digest == same.digest != read_submission(exercise, tmp_path / "three").digest

"""One student's turn: what was handed in is kept beside the run, as it was read and nothing else; and a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from lab import pipeline
from lab.catalog import find_exercise
from lab.classroom.intake import collect
from lab.classroom.job import Batch, Job
from lab.classroom.results import Results, Row
from lab.errors import NOT_MEASURED, USER_ERROR, LabError, NotMeasuredError
from lab.exercise import load_exercise
from lab.gather.rundir import RunDirectory
from lab.pool import carry_out
from lab.wholefile import write_whole


def test_what_was_handed_in_is_kept_beside_what_checks_read_of_it(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    directory.write("submission/server.py", "as checks read it")
    directory.keep_submission({"server.py": b"as checks read it", "lib/more.py": b"more\xff"})
    kept = {str(each.relative_to(tmp_path)): each.read_bytes() for each in tmp_path.rglob("*.py")}
    assert kept == {"submission/server.py": b"as checks read it", "submission/lib/more.py": b"more\xff"}


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "run" / "submission").mkdir(parents=True)
    (tmp_path / "run" / "submission" / "server.py").symlink_to(tmp_path / "outside.py")
    with pytest.raises(FileExistsError):
        RunDirectory(tmp_path / "run").keep_submission({"server.py": b"x"})
    assert not (tmp_path / "outside.py").exists()


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def job(folder: Path) -> Job:
    exercise = load_exercise(find_exercise("tcp-echo"))
    (folder / "all" / "anna").mkdir(parents=True)
    (folder / "all" / "anna" / "server.py").write_text("")
    (hand_in,) = collect([str(folder / "all")], exercise, folder / "unpacked").hand_ins
    return Job(Batch(exercise, None, Results(folder / "grades")), hand_in, "0" * 64)


def test_a_run_that_finds_no_room_is_not_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline, "run", full)
    rows: list[Row] = []
    carry_out([job(tmp_path)], 1, lambda _: None, lambda _, row: rows.append(row))
    (row,) = rows
    assert (row.state, row.why) == ("not measured", "what the run gathers cannot be kept: No space left on device")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotMeasuredError, match=r"anna/result\.json: cannot be written: No space left") as raised:
        carry_out([job(tmp_path / "more")], 1, lambda _: None, lambda _, row: rows.append(row))
    assert raised.value.exit_code == NOT_MEASURED
    assert "Traceback" not in capfd.readouterr().err


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_whole(tmp_path / "kept.txt", "before")
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(NotMeasuredError, match=r"kept\.txt: cannot be written"):
            write_whole(tmp_path / "kept.txt", "after")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("kept.txt", "before")]
    with pytest.raises(LabError, match=r"kept\.txt/x: cannot be written") as raised:
        write_whole(tmp_path / "kept.txt" / "x", "")
    assert raised.value.exit_code == USER_ERROR


@pytest.mark.parametrize(("name", "said"), [("there", "this is a folder"), ("pipe", "this is a device or a pipe")])
def test_only_a_file_is_replaced(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "there").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LabError, match=f"{name}: {said}, where a file is expected"):
        write_whole(tmp_path / name, "")
    with pytest.raises(LabError, match="this is a folder"):
        write_whole(Path(), "")
    assert {each.name for each in tmp_path.iterdir()} == {"there", "pipe"}


def test_a_file_is_written_where_folders_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""

    def as_on_windows(path: Path, flags: int, mode: int = 0o777) -> int:
        if path.is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, flags, mode)

    opened = os.open
    monkeypatch.setattr(os, "open", as_on_windows)
    monkeypatch.delattr(os, "O_DIRECTORY")
    write_whole(tmp_path / "kept.txt", "whole")
    assert (tmp_path / "kept.txt").read_text() == "whole"

"""One student's turn: what was handed in is kept beside the run, as it was read and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.gather.rundir import RunDirectory


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

"""Gradescope's autograder, unpacked and run as in its container."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lab.catalog import find_exercise

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap")]
ECHO = find_exercise("tcp-echo").parent
TOP = {
    "score",
    "output",
    "output_format",
    "test_output_format",
    "test_name_format",
    "visibility",
    "stdout_visibility",
    "tests",
}
TEST = {"name", "number", "status", "output", "visibility", "score", "max_score"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("autograder")
    for each in (folder, *folder.parents):
        if os.getuid() == 0 and str(each).startswith("/tmp/"):
            each.chmod(0o755)
    words = [sys.executable, "-m", "lab", "export", "gradescope-autograder", "tcp-echo", "-o", str(folder / "a.zip")]
    subprocess.run(words, check=True, capture_output=True)
    with zipfile.ZipFile(folder / "a.zip") as archive:
        archive.extractall(folder / "source")
        modes = {each.filename: each.external_attr >> 16 for each in archive.infolist()}
    assert modes["setup.sh"] & 0o111
    assert modes["run_autograder"] & 0o111
    assert not any("solution" in name or "wrong" in name for name in modes if name.startswith("exercise/"))
    for name in ("setup.sh", "run_autograder"):
        subprocess.run(["sh", "-n", str(folder / "source" / name)], check=True)
    return folder


def graded(root: Path, server: Path | str, **env: str) -> dict[str, Any]:
    """The results.json of a submission, checked against what the platform publishes of it."""
    for name in ("submission", "results"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir()
    content = server.read_text() if isinstance(server, Path) else server
    (root / "submission" / "server.py").write_text(content)
    code = f"from pathlib import Path; from lab.export.autograder import main; main(Path({str(root)!r}))"
    subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=root,
        env={**os.environ, "PYTHONPATH": str(root / "source"), "XDG_RUNTIME_DIR": str(root), **env},
    )  # fmt: skip
    assert [each.name for each in (root / "results").iterdir()] == ["results.json"]
    told: dict[str, Any] = json.loads((root / "results" / "results.json").read_text())
    assert set(told) == TOP
    assert isinstance(told["score"], (int, float))
    for each in told["tests"]:
        assert set(each) <= TEST
        assert each["status"] in ("passed", "failed")
        assert each["visibility"] in ("visible", "after_published")
        assert isinstance(each["number"], str)
    return told


def test_a_submission_is_graded_where_namespaces_can_be_made(root: Path) -> None:
    told = graded(root, ECHO / "solution" / "server.py")
    assert told["score"] == 10
    assert sum(each.get("score", 0) for each in told["tests"]) == 10
    told = graded(root, ECHO / "wrong" / "upper-case" / "server.py")
    assert told["score"] == 2


def test_elsewhere_files_are_looked_at_and_nothing_is_called_a_grade(root: Path, tmp_path: Path) -> None:
    told = graded(root, ECHO / "solution" / "server.py", PATH=str(tmp_path))
    assert told["score"] == 0
    assert told["output"].startswith("not graded yet: ")
    assert {each["name"]: each["status"] for each in told["tests"]} == {
        "server.py was handed in": "passed", "server.py builds": "passed"
    }  # fmt: skip
    assert not any("score" in each for each in told["tests"])
    told = graded(root, "def broken(:\n", PATH=str(tmp_path))
    assert told["tests"][1]["status"] == "failed"
    assert told["tests"][1]["output"].startswith("line 1: ")


def test_a_grader_that_fails_says_so_instead_of_blaming_the_student(root: Path) -> None:
    written = root / "source" / "exercise" / "exercise.yaml"
    text = written.read_text()
    try:
        written.write_text("nonsense")
        told = graded(root, "")
    finally:
        written.write_text(text)
    assert (told["score"], told["output"]) == (
        0, "not graded yet: the grader itself failed, and your teacher will see to it"
    )  # fmt: skip

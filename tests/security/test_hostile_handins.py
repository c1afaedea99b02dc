"""Broken and hostile hand-ins one by one, looked at from within the process that runs them."""

from __future__ import annotations

import json
import os
import resource
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.exercise import Exercise, load_exercise
from lab.report.text import report_lines
from lab.runtime.netns import start
from tests.kernel.handin_runs import ECHO, Run, hurried, run, run_files

pytestmark = pytest.mark.kernel

PROGRAMS = Path(__file__).parent / "hostile"
ALL = {"opened", "echoed", "closed"}
HURRY = 1.0  # seconds
ENDING = 5.0  # seconds that the kernel may take to end a lab's last process
MEBIBYTE = 1 << 20
MARK = b"\x0086399.517"  # what leaves_a_daemon.py has its daemons carry


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Afterwards no process of the labs that were started here is left; interfaces and mounts are as before."""
    namespaces: set[str] = set()
    begin = start.start

    def watched(*arguments: Any) -> Any:
        channel, keeper = begin(*arguments)
        namespaces.add(_namespace(keeper, "pid"))
        assert "" not in namespaces, "the keeper's namespace is hidden from this user"
        return channel, keeper

    monkeypatch.setattr(start, "start", watched)
    before = _machine()
    yield
    assert namespaces, "no lab was started"
    deadline = time.monotonic() + ENDING
    while (left := list(_left(namespaces))) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left
    assert _machine() == before


def _machine() -> tuple[list[str], list[str]]:
    engines = ("docker", "br-", "veth", "cni", "podman", "lb")  # an Engine on this machine may come and go meanwhile
    names = sorted(path.name for path in Path("/sys/class/net").iterdir() if not path.name.startswith(engines))
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if "lab" in line]
    return names, mounts


def _namespace(process: int | str, kind: str) -> str:
    try:
        return str(Path(f"/proc/{process}/ns/{kind}").readlink())
    except OSError:
        return ""


def _left(namespaces: set[str]) -> Iterator[str]:
    """Living processes of these PID namespaces, and whoever carries the mark of a daemon from there."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX" and (_namespace(process.name, "pid") in namespaces or MARK in said):
            yield f"{process.name} {said.decode(errors='replace')}"


@pytest.fixture(scope="module")
def echo() -> Exercise:
    return hurried(ECHO, HURRY)


def hostile(name: str, exercise: Exercise, tmp_path: Path) -> Run:
    return run_files(exercise, {"server.py": (PROGRAMS / f"{name}.py").read_bytes()}, tmp_path)


def told(found: Run) -> str:
    return found.grade.causes[0].cause.text


@pytest.mark.parametrize(
    ("files", "kind", "why"),
    [
        ({}, "not-started", "server.py was not handed in"),
        ({"serve.py": "print()"}, "not-started", "server.py was not handed in"),
        ({"Server.py": "print()"}, "not-started", "server.py was not handed in"),
        ({"a/server.py": "", "b/server.py": ""}, "not-started", "server.py was not handed in"),
        ({"server.py": "while True\n    pass\n"}, "syntax-error", "SyntaxError"),
        ({"server.py": "def f():\nreturn 1\n"}, "syntax-error", "IndentationError"),
        ({"server.py": b"\x7fELF\x00\xff\xfe"}, "syntax-error", "SyntaxError"),
    ],
    ids=["nothing", "another-name", "another-case", "two-folders", "syntax", "indentation", "binary"],
)
def test_broken_files_are_told(
    files: dict[str, bytes | str], kind: str, why: str, echo: Exercise, tmp_path: Path
) -> None:
    found = run_files(echo, files, tmp_path)
    assert found.failed == ALL, found.explain()
    assert found.grade.exit_code == 1
    assert (found.root_cause, why in told(found)) == (kind, True), found.explain()


@pytest.mark.parametrize("kind", ["link", "link-to-folder", "pipe", "folder", "huge"])
def test_what_is_no_plain_file_is_not_read(kind: str, echo: Exercise, tmp_path: Path) -> None:
    hand_in = tmp_path / "hand-in"
    hand_in.mkdir()
    path = hand_in / "server.py"
    solution = ECHO / "solution"
    if kind == "link":
        path.symlink_to(solution / "server.py")
    elif kind == "link-to-folder":
        (hand_in / "deeper").symlink_to(solution)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 34)
    found = run(echo, hand_in, tmp_path / "runs")
    assert found.failed == ALL, found.explain()
    assert found.root_cause in ("not-started", "handed-in"), found.explain()
    assert "server.py" in told(found)


def test_one_folder_deeper_is_accepted_and_said(tmp_path: Path) -> None:
    solution = (ECHO / "solution" / "server.py").read_bytes()
    found = run_files(load_exercise(ECHO), {"my solution/server.py": solution, "notes.txt": "hello"}, tmp_path)
    assert found.grade.points == 10, found.explain()
    assert any("one folder deeper" in note for note in found.evidence.manifest["submission"]["notes"])
    assert found.evidence.manifest["submission"]["files"] == ["server.py"]


def test_its_output_is_bounded_in_memory_and_on_disk(echo: Exercise, tmp_path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = hostile("floods_its_output", echo, tmp_path)
    step = found.evidence.steps["server"]
    assert len(step.stdout) == len(step.stderr) == MEBIBYTE
    assert step.stdout_lost > 0
    assert step.stderr_lost > 0
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # KiB
    assert sum(path.stat().st_size for path in found.directory.rglob("*") if path.is_file()) < 3 * MEBIBYTE


def test_its_folders_are_bounded(tmp_path: Path) -> None:
    found = hostile("fills_its_folders", load_exercise(ECHO), tmp_path)
    assert found.grade.points == 10, found.explain()
    written = dict(line.split() for line in found.evidence.steps["server"].stdout.decode().splitlines())
    assert sorted(written) == ["/dev/shm", "/tmp", "/work"]
    for folder, size in written.items():
        assert int(size) <= 64 * MEBIBYTE, folder


def test_terminal_codes_never_reach_the_terminal(echo: Exercise, tmp_path: Path) -> None:
    found = hostile("writes_terminal_codes", echo, tmp_path)
    step = found.evidence.steps["server"]
    assert b"\x1b[2J" in step.stdout
    assert b"\x1b[2K" in step.stderr
    lines = report_lines(found.evidence, found.grade, found.directory, width=200)
    assert any("GRADE 10 of 10" in line.text for line in lines), "the test wants its words to be quoted"
    for line in lines:
        assert not [c for c in line.text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")], line


def test_it_reaches_nothing_that_is_not_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_TEST_SECRET", "teacher's")
    host = [str(tmp_path), str(Path(__file__).parents[2]), str(Path.home())]
    code = (PROGRAMS / "looks_around.py").read_text().replace("HOST = []", f"HOST = {host}")
    found = run_files(load_exercise(ECHO), {"server.py": code}, tmp_path)
    assert found.grade.points == 10, found.explain()
    got = json.loads(found.evidence.steps["server"].stdout)
    assert got.pop("processes") == [1, 2]
    assert got.pop("names") == ["python3"]
    assert "LAB_TEST_SECRET" not in got.pop("environment")
    assert set(got.pop("ids")) == {1000}
    assert set(got.pop("capabilities of self")) == {"0" * 16}
    assert got.pop("interfaces") == ["eth0", "lo"]
    assert len(got) > 40
    assert {name: value for name, value in got.items() if value not in (None, "[]")} == {}

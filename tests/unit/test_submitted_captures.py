"""Captures of a student's own are judged where the exercise says so, and every verdict says what it rests on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lab import pipeline
from lab.catalog import find_exercise, find_topology
from lab.classroom.job import judged
from lab.console import quiet
from lab.errors import LabError
from lab.evidence import Evidence
from lab.exercise import load_exercise, read_submission
from lab.export import FORMATS, autograder
from lab.grade import Grade, students_view
from lab.report.json import report_dict
from lab.report.text import report_lines
from lab.schema import schema

RECORDED = find_exercise("tcp-echo").parent / "recorded"
EXERCISE = r"""version: 1
name: own-capture
topology: two-lans
evidence: submitted
values: {port: 7000, text: "hatktbpw\nihlxzodd\n"}
submission: {files: [client.eth0.pcap, server.eth0.pcap]}
checks:
  - {id: gateway, check: arp, node: client, next_hop: r1, visible: false}
  - {id: opened, check: tcp-handshake, from: client, to: server, port: "${port}", points: 2}
  - {id: echoed, check: tcp-data, from: client, to: server, port: "${port}", client_sends: "${text}",
     server_sends: "${text}", points: 6, needs: [gateway]}
  - {id: closed, check: tcp-close, from: client, to: server, port: "${port}", points: 2}
"""


def judge(folder: Path, text: str = EXERCISE, **files: bytes) -> tuple[Path, Evidence, Grade]:
    """What comes of these files, `client` and `server` for short."""
    (folder / "exercise").mkdir()
    (folder / "exercise" / "exercise.yaml").write_text(text)
    (folder / "handed-in").mkdir()
    for name, content in files.items():
        (folder / "handed-in" / f"{name}.eth0.pcap").write_bytes(content)
    exercise = load_exercise(folder / "exercise")
    handed_in = read_submission(exercise, folder / "handed-in")
    path = pipeline.run(exercise, handed_in, None, folder / "runs", quiet)
    return path, *pipeline.judge(path)


def recorded(node: str) -> bytes:
    return (RECORDED / f"{node}.eth0.pcap").read_bytes()


def test_every_verdict_and_every_form_of_a_grade_says_that_it_is_unverified(tmp_path: Path) -> None:
    path, evidence, grade = judge(tmp_path, client=recorded("client"), server=recorded("server"))
    assert (grade.points, grade.of, grade.unverified) == (10, 10, True)
    assert all(result.verdict.seen.startswith("unverified: ") for result in grade.results)
    report = report_dict(evidence, grade, path)
    jsonschema.validate(report, schema("report"))
    assert report["unverified"] is True
    assert any("10 of 10 points, unverified" in line.text for line in report_lines(evidence, grade, path))
    result = {
        "student": "anna", "name": "", "members": [], "late": False, "state": "graded", "key": "anna", "attempts": [],
        "exercise": {"name": "own-capture", "sha256": ""}, **judged(path, evidence, grade, path.parent),
    }  # fmt: skip
    for name, form in FORMATS.items():
        if name == "github":
            continue  # base64
        assert "unverified" in form.render(result), name


def test_a_hidden_check_does_not_hide_the_label(tmp_path: Path) -> None:
    text = EXERCISE.replace("node: client, next_hop: r1", "node: server, next_hop: client")
    _, _, grade = judge(tmp_path, text, client=recorded("client"), server=recorded("server"))
    told = {result.graded.id: result.verdict.seen for result in students_view(grade)[0].results}
    assert told["echoed"].startswith("unverified: needs a hidden check, which")


@pytest.mark.parametrize(
    ("server", "said"),
    [
        (None, "unverified: server:eth0: server.eth0.pcap was not handed in"),
        (b"", "unverified: server:eth0: server.eth0.pcap is no whole capture: the file is empty"),
        (b"import socket", "unverified: server:eth0: server.eth0.pcap is no whole capture: not a capture file"),
        ("cut", "unverified: server:eth0: server.eth0.pcap is no whole capture: frame"),
        ("flood", "unverified: server:eth0: server.eth0.pcap is no whole capture: it has more than 50000 frames"),
    ],
)
def test_what_is_missing_or_damaged_is_the_submissions_own_doing(
    tmp_path: Path, server: bytes | str | None, said: str
) -> None:
    made = {"cut": recorded("server")[:-20], "flood": recorded("server") + bytes(16 * 50_000)}
    given = made[server] if isinstance(server, str) else server
    files = {"client": recorded("client")} | ({"server": given} if isinstance(given, bytes) else {})
    _, _, grade = judge(tmp_path, **files)
    (opened,) = [result for result in grade.results if result.graded.id == "opened"]
    assert (str(opened.verdict.outcome), opened.points) == ("failed", 0)
    assert opened.verdict.seen.startswith(said)
    assert opened.verdict.cause is not None
    assert opened.verdict.cause.kind == "no-capture"


def test_a_capture_that_is_missing_comes_before_what_the_others_show(tmp_path: Path) -> None:
    """And a check's own hint, which is about what a capture shows, would mislead."""
    text = EXERCISE.replace("points: 2}\n  - {id: echoed", 'points: 2, hint: "ask the server"}\n  - {id: echoed')
    _, _, grade = judge(tmp_path, text, client=recorded("server"))
    assert grade.causes[0].cause.kind == "no-capture"
    assert len(grade.causes) > 1
    (opened,) = [result for result in grade.results if result.graded.id == "opened"]
    assert (opened.graded.hint, opened.hint) == ("ask the server", "")


def test_a_capture_of_something_else_fails_and_proves_nothing(tmp_path: Path) -> None:
    _, _, grade = judge(tmp_path, client=recorded("server"), server=recorded("client"))
    assert grade.points < 10


def test_without_that_key_a_capture_in_a_submission_is_no_evidence(tmp_path: Path) -> None:
    """The recorded run judged with forged captures among what was handed in: they are files like any other."""
    (tmp_path / "handed-in").mkdir()
    for name in ("client.eth0.pcap", "server.py"):
        (tmp_path / "handed-in" / name).write_bytes(b"")
    handed_in = read_submission(load_exercise(RECORDED / "exercise"), tmp_path / "handed-in")
    assert list(handed_in.files) == ["server.py"]
    evidence, grade = pipeline.judge(RECORDED, submission={"client.eth0.pcap": b""})
    assert (grade.points, grade.unverified) == (10, False)
    assert len(evidence.captures["client:eth0"].packets) == 15
    assert "unverified" not in json.dumps(report_dict(evidence, grade, RECORDED)["checks"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("checks:\n", "steps: [{node: client, run: [ls]}]\nchecks:\n", "no place for steps"),
        ("checks:\n", "capture: [client:eth0]\nchecks:\n", "no place for capture"),
        ("server.eth0.pcap]", "server.eth1.pcap]", "server.eth1.pcap is no capture point's file"),
        ("submission: {files: [client.eth0.pcap, server.eth0.pcap]}\n", "", "nothing says which captures"),
        ("values: {port: 7000,", "values: {port: 7000, more: {lines: 2, example: a},", "value more is another one in"),
        ("check: arp, node: client, next_hop: r1", "check: reach, from: client, to: server", "asks a kernel"),
        ("evidence: submitted", "evidence: mine", "submitted"),
    ],
)
def test_what_does_not_go_with_captures_alone_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in EXERCISE
    with pytest.raises(LabError) as raised:
        judge(tmp_path, EXERCISE.replace(old, new), client=b"", server=b"")
    assert said in str(raised.value)


def lab(folder: Path, *words: str, code: int) -> str:
    """What `lab` says where no runtime works: nothing is on the PATH."""
    env = {**os.environ, "PATH": str(folder / "nothing"), "LAB_RUNTIME": "netns"}
    given: Any = {"capture_output": True, "text": True, "cwd": folder, "timeout": 60, "check": False}
    done = subprocess.run([sys.executable, "-m", "lab", *words], env=env, **given)
    assert done.returncode == code, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The folder of an exercise with its solution, beside a class of one."""
    for folder in (tmp_path / "own" / "solution", tmp_path / "class" / "anna"):
        folder.mkdir(parents=True)
        for node in ("client", "server"):
            (folder / f"{node}.eth0.pcap").write_bytes(recorded(node))
    (tmp_path / "own" / "exercise.yaml").write_text(EXERCISE)
    return tmp_path


def test_no_runtime_is_needed(written: Path) -> None:
    assert "10 of 10 points, unverified" in lab(written, "run", "own", code=0)
    tried = lab(written, "try", "own", code=1)
    assert "3 hand-ins, 3 runs, 3 deviations" in tried  # it has no wrong hand-in for any of its checks
    assert "1 student graded: 1 passed everything" in lab(written, "grade", "own", "class", code=0)
    assert "bwrap" in lab(written, "run", "tcp-echo", code=3)


def test_a_platform_without_runtimes_grades_them_at_once(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (written / "source").mkdir()
    shutil.copytree(written / "own", written / "source" / "exercise")
    shutil.copy(find_topology("two-lans"), written / "source" / "exercise" / "topology.yaml")
    shutil.copytree(written / "class" / "anna", written / "submission")
    (written / "results").mkdir()
    monkeypatch.setenv("PATH", "")
    autograder.main(written)
    graded = json.loads((written / "results" / "results.json").read_text())
    assert graded["score"] == 10
    assert "unverified" in graded["output"]


@pytest.mark.parametrize("option", [("--keep",), ("--lab", "one")])
def test_an_option_about_a_lab_is_refused(written: Path, option: tuple[str, ...]) -> None:
    said = lab(written, "run", "own", *option, code=2)
    assert f"{option[0]} says nothing here: captures are handed in, and no lab is brought up" in said
    assert not (written / "runs").exists()

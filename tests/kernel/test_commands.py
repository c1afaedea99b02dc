"""The commands around a run, as a person or a machine uses them: exit codes, data, evidence that is kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.gather.rundir import load
from lab.trace.packets import TCP

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap")]
ROOT = Path(__file__).parents[2]
ECHO = ROOT / "topologies" / "two-lans" / "tcp-echo"
Lab = Callable[..., "subprocess.CompletedProcess[str]"]

SLOW = """
import socket, sys, time
with socket.create_server(("", int(sys.argv[1]))) as listener:
    print("listening", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    def call(*words: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        given = {"capture_output": True, "text": True, "cwd": tmp_path, "timeout": 120, "check": False}
        done = subprocess.run([sys.executable, "-m", "lab", *words], env={**os.environ, **env}, **given)
        assert "Traceback" not in done.stderr, done.stderr
        if code is not None:
            assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    return call


def only_run(folder: Path) -> Path:
    (found,) = (folder / "runs").glob("*/*/")
    return found


def test_a_run_is_judged_and_can_be_judged_again(lab: Lab, tmp_path: Path) -> None:
    first = json.loads(lab("run", "tcp-echo", "--json").stdout)
    assert first["grade"] == {"points": 10, "of": 10}
    directory = tmp_path / first["run"]
    moved = tmp_path / "elsewhere"
    shutil.move(directory, moved)
    again = json.loads(lab("judge", str(moved), "--json").stdout)
    assert {**again, "run": ""} == {**first, "run": ""}
    lab("judge", str(moved), "--pcapng", "all.pcapng")
    assert (tmp_path / "all.pcapng").read_bytes() == (moved / "annotated.pcapng").read_bytes()
    assert "exists already" in lab("judge", str(moved), "--pcapng", "all.pcapng", code=2).stderr
    assert {entry.name for entry in moved.iterdir()} >= {
        *("manifest.json", "plan.json", "steps.json", "steps", "state", "exercise"),
        *(f"{point}.pcap" for point in ("client.eth0", "r1.eth0", "r1.eth1", "server.eth0")),
    }
    manifest = json.loads((moved / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["gaps"] == []
    assert len(manifest["exercise"]["sha256"]) == len(manifest["submission"]["sha256"]) == 64
    assert {"before", "after", "settled"} == set(manifest["states"])


def test_a_damaged_run_says_which_of_its_files_is_wrong(lab: Lab, tmp_path: Path) -> None:
    whole = tmp_path / json.loads(lab("run", "tcp-echo", "--json").stdout)["run"]
    for name, content, told in (
        ("manifest.json", "{", "manifest.json cannot be read: Expecting property name"),
        ("manifest.json", "{}", "is damaged: its records lack 'marks'"),
        ("manifest.json", "[]", "manifest.json holds no mapping"),
        ("manifest.json", None, "is not a run directory: it has no manifest.json"),
        ("steps.json", "{}", "steps.json holds no list"),
        ("steps.json", "[1]", "is damaged: its records are not of the form that lab writes"),
        ("plan.json", "{}", "plan.json: this is not a plan that lab wrote"),
        ("state/after.json", None, "is damaged: it has no state/after.json"),
        ("steps/client.stdout", None, "is damaged: client.stdout cannot be read: No such file"),
    ):
        damaged = tmp_path / "damaged"
        shutil.copytree(whole, damaged)
        (damaged / name).unlink()
        if content is not None:
            (damaged / name).write_text(content)
        said = lab("judge", "damaged", code=2).stderr
        assert told in said, (name, content)
        assert "Traceback" not in said
        shutil.rmtree(damaged)


def test_the_report_fits_its_schema(lab: Lab) -> None:
    import jsonschema

    schema = json.loads(lab("schema", "report").stdout)
    for wrong in sorted((ECHO / "wrong").iterdir())[:3]:
        done = lab("run", "tcp-echo", "--submission", str(wrong), "--json", code=1)
        jsonschema.validate(json.loads(done.stdout), schema)


def test_exit_codes(lab: Lab, tmp_path: Path) -> None:
    lab("run", "tcp-echo", code=0)
    lab("run", "tcp-echo", "--submission", str(ECHO / "wrong" / "loopback"), code=1)
    lab("run", "no-such-exercise", code=2)
    lab("run", "tcp-echo", "--submission", "no-such-folder", code=2)
    (tmp_path / "broken.yaml").write_text("name: [")
    assert "broken.yaml:1:" in lab("validate", "broken.yaml", code=2).stderr
    only_python = tmp_path / "bin"
    only_python.mkdir()
    (only_python / "python3").symlink_to(sys.executable)
    done = lab("run", "tcp-echo", code=3, PATH=str(only_python), LAB_RUNTIME="netns")
    assert "tcpdump" in done.stderr
    assert "bwrap" in done.stderr or "bubblewrap" in done.stderr


def start_slow(tmp_path: Path) -> tuple[subprocess.Popen[str], str]:
    """A run whose server never answers, under way: every capture is up and the server listens."""
    handed_in = tmp_path / "slow"
    handed_in.mkdir()
    (handed_in / "server.py").write_text(SLOW)
    mark = f"LAB_TEST_MARK={tmp_path.name}-{time.monotonic_ns()}"
    words = [sys.executable, "-m", "lab", "run", "tcp-echo", "--submission", str(handed_in), "-v"]
    env = {**os.environ, "LAB_TEST_MARK": mark.partition("=")[2]}
    process = subprocess.Popen(words, cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob("runs/*/*/state/before.json")) or len(marked(mark, "python")) < 3:
        assert time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    return process, mark


def marked(mark: str, name: str) -> list[int]:
    """Processes of ours whose name begins so: started below the marked command, whatever their own environment is."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    ours: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "stat").read_text()
                environ = (entry / "environ").read_text(errors="replace").split("\0")
            except OSError:
                continue
            pid = int(entry.name)
            names[pid] = told.partition("(")[2].rpartition(")")[0]
            parents[pid] = int(told.rpartition(")")[2].split()[1])
            if mark in environ:
                ours.add(pid)
    for _ in range(6):
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return [pid for pid in ours if names[pid].startswith(name)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_evidence(lab: Lab, tmp_path: Path, number: int) -> None:
    process, mark = start_slow(tmp_path)
    process.send_signal(number)
    told = process.communicate(timeout=30)[1]
    assert "interrupted\n  what was gathered so far: runs/tcp-echo/" in told
    assert process.returncode == 130
    assert not marked(mark, "tcpdump")
    done = lab("judge", str(only_run(tmp_path)), code=3)
    assert "interrupted" in done.stdout


def test_a_dead_capture_is_a_gap_of_ours_and_never_a_failure(lab: Lab, tmp_path: Path) -> None:
    process, mark = start_slow(tmp_path)
    victims = marked(mark, "tcpdump")
    assert len(victims) == 4
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, (out, err)
    assert "tcpdump ended early" in out


def test_thirty_runs_give_equal_verdicts(lab: Lab) -> None:
    seen = set()
    for _ in range(30):
        report = json.loads(lab("run", "tcp-echo", "--json").stdout)
        seen.add(json.dumps([(each["id"], each["verdict"], each["points"]) for each in report["checks"]]))
    assert len(seen) == 1


def test_demo_shows_the_main_job(lab: Lab) -> None:
    out = lab("demo").stdout
    for text in (
        "client 10.0.1.10",
        "ARP who has 10.0.1.1?",
        "SYN, ACK seq=0 ack=1",
        "FIN, ACK",
        "✓ echoed",
        "10 of 10 points",
    ):
        assert text in out


def test_demo_without_a_runtime_shows_a_recorded_run(lab: Lab, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = lab("demo", PATH=str(empty), LAB_RUNTIME="netns")
    assert "RECORDED" in done.stdout
    assert "10 of 10 points" in done.stdout
    assert "tcpdump" in done.stderr


def test_keep_leaves_the_lab_up(lab: Lab, tmp_path: Path) -> None:
    place = {"XDG_RUNTIME_DIR": str(tmp_path / "state")}
    (tmp_path / "state").mkdir()
    if os.getuid() == 0:
        for folder in (tmp_path, *tmp_path.parents):
            if str(folder).startswith("/tmp/"):
                folder.chmod(0o755)
    lab("run", "tcp-echo", "--keep", **place)
    try:
        assert json.loads(lab("ps", "--json", **place).stdout)[0]["name"] == "tcp-echo"
        assert "10.0.1.10" in lab("exec", "client", "--", "cat", "/etc/hosts", **place).stdout
    finally:
        lab("down", **place)


def test_trace_and_frame_of_the_latest_run(lab: Lab, tmp_path: Path) -> None:
    lab("run", "tcp-echo")
    told = json.loads(lab("trace", ".", "--json").stdout)
    assert len(told) == 1
    assert (told[0]["opened"], told[0]["client_sent"]) == ("complete", 18)
    capture = str(only_run(tmp_path) / "client.eth0.pcap")
    assert json.loads(lab("trace", capture, "--json").stdout)[0]["client_sent"] == 18
    layers = json.loads(lab("frame", ".", "client:eth0#3", "--json").stdout)
    assert [layer["name"] for layer in layers][:2] == ["Frame", "Ethernet II"]
    assert "has no capture point" in lab("trace", ".", "--point", "x:eth0", code=2).stderr
    everything = lab("trace", ".", "--all").stdout
    assert "ARP who has 10.0.1.1?" in everything
    assert "SYN seq=0" in everything
    assert "files were given" in lab("trace", capture, "--all", code=2).stderr


def test_a_server_that_knows_an_answer_beforehand_gets_nothing_for_it(lab: Lab, tmp_path: Path) -> None:
    handed_in = tmp_path / "knows"
    handed_in.mkdir()
    knows = ROOT / "tests" / "handins" / "tcp-echo" / "wrong" / "knows_the_answer.py"
    shutil.copy(knows, handed_in / "server.py")
    report = json.loads(lab("run", "tcp-echo", "--submission", str(handed_in), "--json", code=1).stdout)
    points = {each["id"]: each["points"] for each in report["checks"]}
    assert (points["echoed"], points["closed"]) == (0, 0)


def test_a_sheet_is_marked_by_the_run_that_it_is_about(lab: Lab, tmp_path: Path) -> None:
    """What no other run shows: the initial sequence number, read off the trace and judged afterwards."""
    shutil.copytree(ECHO.parent / "tcp-questions", tmp_path / "questions")
    shutil.copy(ECHO.parent / "topology.yaml", tmp_path / "questions")
    exercise = tmp_path / "questions" / "exercise.yaml"
    isn = "{id: isn, check: answer, from: client, to: server, port: 7000, value: client_isn, points: 1}"
    own = "{id: own, check: python, file: own.py, points: 1}"
    exercise.write_text(
        exercise.read_text().replace("topology: two-lans", "topology: ./topology.yaml") + f"  - {isn}\n  - {own}\n"
    )
    (exercise.parent / "own.py").write_text("def check(evidence):\n    return bool(evidence.captures), 'captured'\n")
    first = json.loads(lab("run", "./questions", "--json", code=1).stdout)
    assert first["grade"]["points"] == 11
    packets = load(tmp_path / first["run"]).captures["client:eth0"].packets
    isn = str(next(packet.seq for packet in packets if packet.protocol == TCP))
    sheet = (exercise.parent / "solution" / "answers.yaml").read_text() + f"client_isn: {isn}\n"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "answers.yaml").write_text(sheet)
    again = json.loads(lab("judge", ".", "--submission", "mine", "--trust-code", "--json").stdout)
    assert again["grade"] == {"points": 12, "of": 12}
    strange = json.loads(lab("judge", ".", "--submission", "mine", "--json", code=3).stdout)
    assert [each["verdict"] for each in strange["checks"] if each["id"] == "own"] == ["not measured"]
    assert "is no folder" in lab("judge", ".", "--submission", "nowhere", code=2).stderr

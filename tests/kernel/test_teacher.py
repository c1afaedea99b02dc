"""What a teacher does, as a person types it: new, try, handout, a lab configured by hand and kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.catalog import topologies

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap")]
ROOT = Path(__file__).parents[2]
Lab = Callable[..., "subprocess.CompletedProcess[str]"]

SLEEPER = """
import socket, sys, time
with socket.create_server(("", int(sys.argv[1]))) as listener:
    time.sleep(600)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The command, in an empty folder, with temporary files and live labs of its own."""
    temporary, live = tmp_path / "tmp", tmp_path / "live"
    for folder in (temporary, live):
        folder.mkdir()
    for folder in (tmp_path, *tmp_path.parents):  # root's labs run under another uid, which has to pass
        if os.getuid() == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    env = {**os.environ, "TMPDIR": str(temporary), "XDG_RUNTIME_DIR": str(live)}

    def call(*words: str, code: int | None = 0, cwd: Path | None = None, **more: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "lab", *words], capture_output=True, text=True, cwd=cwd or tmp_path, timeout=180,
            check=False, env={**env, **more},
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, (words, done.stdout, done.stderr)
        return done

    yield call
    call("down", "--all")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize("topology", [each.name for each in topologies()])
def test_a_new_exercise_is_sound_as_it_is(topology: str, lab: Lab, tmp_path: Path) -> None:
    told = lab("new", "first", "--topology", topology).stdout
    assert len(told.splitlines()) == 3
    assert "lab try first" in told
    told = lab("try", "first").stdout
    assert "SOUND  first: 7 hand-ins, 7 runs" in told
    assert not list((tmp_path / "tmp").glob("lab-try-*")), "evidence of a sound exercise is not kept"


def test_from_new_to_handout(lab: Lab, tmp_path: Path) -> None:
    lab("new", "first")
    edit(tmp_path / "first" / "exercise.yaml", "    closes_first: client\n", "    visible: false\n")
    row = "| `closed` | 1 | the client's FIN first, then yours, each acknowledged; no reset |\n"
    edit(tmp_path / "first" / "README.md", row, "")
    lab("try", "first")
    told = lab("handout", "first", "-o", "out")
    assert "3 checks to be seen, 1 hidden" in told.stdout
    assert told.stderr == ""
    assert "id: closed" not in (tmp_path / "out" / "exercise.yaml").read_text()
    assert "0 of 3 points" in lab("run", cwd=tmp_path / "out", code=1).stdout
    shutil.copy(tmp_path / "first" / "solution" / "server.py", tmp_path / "out" / "server.py")
    assert "3 of 3 points" in lab("run", cwd=tmp_path / "out").stdout
    assert "not empty" in lab("handout", "first", "-o", "out", code=2).stderr
    assert "already" in lab("new", "first", code=2).stderr


@pytest.mark.parametrize("name", ["two-lans/tcp-echo", "triangle/routes"])
def test_a_handout_of_a_ready_made_exercise_runs(name: str, lab: Lab, tmp_path: Path) -> None:
    lab("handout", name, "-o", "out")
    report = json.loads(lab("run", "--json", cwd=tmp_path / "out", code=1).stdout)
    assert report["grade"] == {"points": 0, "of": 10}
    handed_out = {each.name for each in (tmp_path / "out").iterdir()} - {"runs"}
    assert handed_out & {"solution", "wrong", "skeleton", "recorded", "expect.yaml"} == set()


def test_a_try_tells_what_deviates_and_keeps_its_runs(lab: Lab, tmp_path: Path) -> None:
    lab("new", "first")
    edit(tmp_path / "first" / "wrong" / "sends_it_back" / "expect.yaml", "fails: [answered, closed]", "fails: [closed]")
    done = lab("try", "first", code=1)
    assert "! wrong/sends_it_back: answered fails" in done.stdout
    assert "NOT SOUND" in done.stdout
    (run,) = [line.partition("run: ")[2] for line in done.stdout.splitlines() if "run: " in line]
    (kept,) = (tmp_path / "tmp").glob("lab-try-*/first/*")
    assert str(kept) == run
    assert f"kept are the runs that show why: {kept.parent.parent}; " in done.stderr
    assert "GRADE  1 of 4 points" in lab("judge", run, code=1).stdout


def test_a_try_of_an_unfair_exercise(lab: Lab, tmp_path: Path) -> None:
    """Points for what the network does by itself, a mistake that nothing notices, and a solution that is wrong."""
    lab("new", "first")
    exercise = tmp_path / "first" / "exercise.yaml"
    edit(exercise, "via: [r1]}", "via: [r1], points: 5}")
    told = json.loads(lab("try", "first", "--json", code=1).stdout)
    assert {(each["hand_in"], *each["checks"]) for each in told["deviations"]} == {("empty", "route"), ("", "route")}
    assert {(each["hand_in"], *each["checks"]) for each in told["notes"]} == {("idle", "route"), ("skeleton", "route")}
    edit(exercise, "via: [r1], points: 5}", "via: [r1]}")
    shutil.copy(tmp_path / "first" / "skeleton" / "server.py", tmp_path / "first" / "solution" / "server.py")
    told = json.loads(lab("try", "first", "--json", code=1).stdout)
    assert {each["hand_in"] for each in told["deviations"]} == {"solution"}


def test_a_failure_that_rests_on_time_is_confirmed_alone(lab: Lab, tmp_path: Path) -> None:
    lab("new", "first")
    exercise = tmp_path / "first" / "exercise.yaml"
    edit(exercise, "timeout: 5s", "timeout: 1s")
    edit(exercise, "version: 1\n", "version: 1\nsettle: 300ms\n")
    wrong = tmp_path / "first" / "wrong" / "sleeps"
    wrong.mkdir()
    (wrong / "server.py").write_text(SLEEPER)
    (wrong / "expect.yaml").write_text("fails: [answered, closed]\n")
    done = lab("try", "first", "--json", "--runs", "mine", "--repeat", "2", "-j", "3")
    told = json.loads(done.stdout)
    by_name = {each["name"]: each["runs"] for each in told["hand_ins"]}
    assert [each["confirmed"] for each in by_name["wrong/sleeps"]] == [True, True]
    assert not any(each["confirmed"] for each in by_name["solution"])
    assert {len(runs) for runs in by_name.values()} == {2}
    kept = {str(each.relative_to(tmp_path)) for each in (tmp_path / "mine").glob("first/*")}
    assert kept == {run for runs in by_name.values() for each in runs for run in each["runs"]}
    first, second = (json.loads((tmp_path / run / "manifest.json").read_text())
                     for run in by_name["wrong/sleeps"][0]["runs"])  # fmt: skip
    assert second["confirms"] == by_name["wrong/sleeps"][0]["runs"][0]
    alone = second["started"], second["started"] + second["seconds"]
    for each in kept - set(by_name["wrong/sleeps"][0]["runs"][1:]):
        other = json.loads((tmp_path / each / "manifest.json").read_text())
        assert other["started"] + other["seconds"] <= alone[0] + 0.01 or other["started"] >= alone[1] - 0.01
    assert first["confirms"] is None
    assert "once more, alone" in done.stderr


def test_exit_codes_of_a_try(lab: Lab, tmp_path: Path) -> None:
    lab("new", "first")
    expect = tmp_path / "first" / "wrong" / "sends_it_back" / "expect.yaml"
    edit(expect, "[answered, closed]", "[answred, closed]")
    told = lab("try", "first", code=2).stderr
    assert "expect.yaml:2:9: there is no check answred\n  did you mean answered?" in told
    edit(expect, "[answred, closed]", "[answered, closed]")
    assert "there is no exercise" in lab("try", "frist", code=2).stderr
    only_python = tmp_path / "bin"
    only_python.mkdir()
    (only_python / "python3").symlink_to(sys.executable)
    assert "tcpdump" in lab("try", "first", code=3, PATH=str(only_python), LAB_RUNTIME="netns").stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_ended_try_leaves_nothing(number: int, lab: Lab, tmp_path: Path) -> None:
    lab("new", "first")
    for name in ("listens_on_loopback", "sends_it_back"):
        (tmp_path / "first" / "wrong" / name / "server.py").write_text(SLEEPER)
    edit(tmp_path / "first" / "exercise.yaml", "timeout: 5s", "timeout: 60s")
    mark = f"{tmp_path.name}-{time.monotonic_ns()}"
    folders = {"TMPDIR": str(tmp_path / "tmp"), "XDG_RUNTIME_DIR": str(tmp_path / "live")}
    env = {**os.environ, **folders, "LAB_TEST_MARK": mark}
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "try", "first", "-j", "2"], cwd=tmp_path, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while sum("server.py" in line for line in below(mark)) < 2 or len(list(tmp_path.glob("tmp/*/*/*/plan.json"))) < 6:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()  # noqa: PT018
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # a terminal sends it to everybody
    else:
        process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert "Traceback" not in err
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    if number != signal.SIGKILL:
        assert "interrupted" in err
        assert not list((tmp_path / "tmp").iterdir())
    deadline = time.monotonic() + 10
    while left := below(mark):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def below(mark: str) -> list[str]:
    """Commands of the processes that have the mark in their environment, or were started below one that has it."""
    parents: dict[int, int] = {}
    lines: dict[int, str] = {}
    ours: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                told = (entry / "stat").read_text()
                environ = (entry / "environ").read_bytes()
                lines[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
            if told.rpartition(")")[2].split()[0] == "Z":
                continue
            parents[int(entry.name)] = int(told.rpartition(")")[2].split()[1])
            if mark.encode() in environ:
                ours.add(int(entry.name))
    for _ in range(8):
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return [lines[pid] for pid in ours]


TYPED = (
    ("client", "ip route add default via 10.0.1.1"),
    ("server", "ip route add default via 10.0.2.1"),
    ("r1", "ip route add 10.0.2.0/24 via 10.0.31.3"),
    ("r3", "ip route add 10.0.2.0/24 via 10.0.23.2"),
    ("r2", "ip route add 10.0.1.0/24 via 10.0.12.1"),
    ("client", "ip addr add 10.0.1.77/24 dev eth0"),
    ("r2", "ip addr add 10.77.0.2/16 dev eth0"),
)


def configuration(lab: Lab, name: str) -> dict[str, Any]:
    """Addresses and routes of each node, in no order."""
    nodes = json.loads(lab("inspect", name, "--json").stdout)["nodes"]
    return {
        node: {kind: sorted(map(json.dumps, told[kind])) for kind in ("addresses", "routes")}
        for node, told in nodes.items()
    }


def test_a_lab_configured_by_hand_is_judged_and_kept(lab: Lab, tmp_path: Path) -> None:
    topology = ROOT / "topologies" / "triangle" / "routes" / "topology.yaml"
    lab("up", str(topology), "--name", "mine")
    assert "no route to" in lab("run", "routes", "--lab", "mine", code=1).stdout
    for node, command in TYPED:
        lab("exec", "mine", node, "--", *command.split())
    for _ in range(2):  # the second run finds the folders of the first
        report = json.loads(lab("run", "routes", "--lab", "mine", "--json").stdout)
        assert report["grade"] == {"points": 10, "of": 10}
    assert json.loads((tmp_path / report["run"] / "manifest.json").read_text())["standing"] == "mine"
    assert [each["name"] for each in json.loads(lab("ps", "--json").stdout)] == ["mine"]
    done = lab("save", "mine", "-o", "kept.yaml")
    assert done.stderr == ""
    lab("validate", "kept.yaml")
    lab("up", "kept.yaml", "--name", "again")
    assert configuration(lab, "again") == configuration(lab, "mine")
    assert lab("save", "again").stdout.splitlines()[1:] == lab("save", "mine").stdout.splitlines()[1:]
    assert "exists already" in lab("save", "mine", "-o", "kept.yaml", code=2).stderr


def test_a_lab_on_which_nothing_is_judged(lab: Lab) -> None:
    assert "no lab mine is up" in lab("run", "routes", "--lab", "mine", code=2).stderr
    lab("up", "two-lans", "--name", "mine")
    told = lab("run", "routes", "--lab", "mine", code=2).stderr
    assert "lab mine has no node r2" in told
    assert "lab up" in told
    solution = ROOT / "topologies" / "triangle" / "routes" / "solution"
    told = lab("run", "routes", "--lab", "mine", "-s", str(solution), code=2).stderr
    assert "has no node r2" in told or "not as they are handed in" in told


def test_programs_are_handed_in_beside_a_configuration(lab: Lab) -> None:
    lab("up", "two-lans", "--name", "mine")
    wrong = ROOT / "topologies" / "two-lans" / "tcp-echo" / "wrong" / "loopback"
    report = json.loads(lab("run", "tcp-echo", "--lab", "mine", "-s", str(wrong), "--json", code=1).stdout)
    assert report["grade"]["points"] == 0
    assert json.loads(lab("run", "tcp-echo", "--lab", "mine", "--json").stdout)["grade"]["points"] == 10

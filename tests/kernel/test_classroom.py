"""A class graded as a teacher types it: grades, what is kept, what goes on after an interruption."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lab.catalog import find_exercise
from lab.exercise import load_exercise
from lab.schema import schema

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap")]
ECHO = find_exercise("tcp-echo").parent
SOAK = "SOAK_REPEATS" in os.environ
POINTS = {"solution": 10, "wrong/loopback": 0, "wrong/closes-at-once": 2, "wrong/resets": 8, "wrong/syntax-error": 0}
Lab = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """The command, in an empty folder, with live labs of its own."""
    (tmp_path / "live").mkdir()
    for folder in (tmp_path, *tmp_path.parents):  # root's labs run under another uid, which has to pass
        if os.getuid() == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)

    def call(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "lab", *words], capture_output=True, text=True, cwd=tmp_path, check=False,
            timeout=3600, env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path / "live")},
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return done

    return call


def hand_in(folder: Path, student: str, kind: str) -> None:
    shutil.copytree(ECHO / kind, folder / student, ignore=shutil.ignore_patterns("expect.yaml"))


def grades(out: Path) -> dict[str, float]:
    with (out / "grades.csv").open(newline="") as file:
        return {row["student"]: float(row["points"]) for row in csv.DictReader(file)}


def test_a_class_is_graded(lab: Lab, tmp_path: Path) -> None:
    all_of_them = tmp_path / "all"
    for kind in POINTS:
        hand_in(all_of_them, kind.rpartition("/")[2], kind)
    with zipfile.ZipFile(all_of_them / "eve.zip", "w") as archive:
        archive.writestr("../server.py", "x")
    done = lab("grade", "tcp-echo", "all")
    expected = {kind.rpartition("/")[2]: points for kind, points in POINTS.items()} | {"eve": 0}
    assert grades(tmp_path / "grades") == expected
    assert "6 students graded: 1 passed everything, 5 did not" in done.stdout
    assert len(done.stderr.splitlines()) >= 6
    written = json.loads((tmp_path / "grades" / "grades.json").read_text())
    jsonschema.validate(written, schema("grades"))
    (eve,) = [each for each in written["students"] if each["student"] == "eve"]
    assert "leads out of its folder" in eve["handed_in"]["problems"][0]
    for each in written["students"]:
        run = tmp_path / "grades" / "students" / each["key"] / each["attempts"][-1]
        assert json.loads((run / "manifest.json").read_text())["exercise"]["name"] == "tcp-echo"
    (all_of_them / "resets" / "server.py").write_bytes((ECHO / "solution" / "server.py").read_bytes())
    kept, graded = lab("grade", "tcp-echo", "all").stderr.splitlines()
    assert (kept, graded) == ("5 results kept from before; --fresh starts over", "6/6 resets: 10 of 10 points")
    assert grades(tmp_path / "grades") == expected | {"resets": 10}
    assert len(lab("grade", "tcp-echo", "all", "--fresh").stderr.splitlines()) >= 6


def test_who_handed_in_twice_gets_no_grade(lab: Lab, tmp_path: Path) -> None:
    hand_in(tmp_path / "all", "anna", "solution")
    hand_in(tmp_path / "more", "anna", "wrong/loopback")
    hand_in(tmp_path / "more", "bert", "solution")
    done = lab("grade", "tcp-echo", "all", "more", code=3)
    assert "anna: handed in 2 times" in done.stderr.splitlines()[0]
    assert "1 student without a grade" in done.stdout
    assert grades(tmp_path / "grades") == {"bert": 10}


def test_a_folder_in_use_and_wrong_words(lab: Lab, tmp_path: Path) -> None:
    hand_in(tmp_path / "all", "anna", "solution")
    assert "there is no nowhere" in lab("grade", "tcp-echo", "nowhere", code=2).stderr
    (tmp_path / "grades").mkdir(exist_ok=True)
    import fcntl

    with (tmp_path / "grades" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another lab is at work" in lab("grade", "tcp-echo", "all", code=2).stderr


def hurried_echo(folder: Path) -> Path:
    """The echo exercise with time limits that make a class of hundreds bearable."""
    shutil.copytree(ECHO, folder, ignore=shutil.ignore_patterns("recorded"))
    path = folder / "exercise.yaml"
    text = path.read_text().replace("within: 5s", "within: 1s").replace("timeout: 5s", "timeout: 2s")
    path.write_text(text.replace("settle: 1s", "settle: 300ms"))
    return folder


@pytest.mark.parametrize(
    ("size", "signals"),
    [
        (20, (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)),
        *([(200, (signal.SIGKILL,))] if SOAK else []),
    ],
)
def test_a_class_that_is_killed_until_done_gets_the_grades_of_an_undisturbed_one(
    lab: Lab, tmp_path: Path, size: int, signals: tuple[signal.Signals, ...]
) -> None:
    hurried_echo(tmp_path / "echo")
    kinds = [*POINTS, "solution", "wrong/one-recv", "wrong/never-accepts"]  # the last is confirmed by a second run
    for number in range(size):
        hand_in(tmp_path / "all", f"s{number}", kinds[number % len(kinds)])
    words = ["grade", "echo", "all"]
    began = time.monotonic()
    lab(*words, "--out", "undisturbed")
    between = time.monotonic()
    live, scratch = tmp_path / "live", tmp_path / "scratch"
    scratch.mkdir()
    rests = sorted(live.rglob("*"))
    luck = random.Random(7)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(live), "TMPDIR": str(scratch)}
    kills = kept = 0
    while True:
        process = subprocess.Popen(
            [sys.executable, "-m", "lab", *words], cwd=tmp_path, env=env, text=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        wanted = kept + luck.randint(0, 5)  # none: while it begins
        wait_until(lambda: finished(tmp_path) >= wanted or process.poll() is not None, 120)  # noqa: B023
        with suppress(subprocess.TimeoutExpired):
            process.wait(luck.random())  # somewhere in a run, or done
        if process.poll() == 0:
            process.communicate()
            break
        number = luck.choice(signals)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
        assert "Traceback" not in err, err
        assert process.returncode in (-number, 130, 0), err
        kills += 1
        assert finished(tmp_path) >= kept
        kept = finished(tmp_path)
    print(f"{size}: {between - began:.0f} s undisturbed, {time.monotonic() - between:.0f} s with {kills} kills")
    assert kills >= size // 8
    assert told(tmp_path / "grades") == told(tmp_path / "undisturbed")
    assert len(grades(tmp_path / "grades")) == size
    assert grades(tmp_path / "grades") == grades(tmp_path / "undisturbed")
    wait_until(lambda: not at_work_in(tmp_path) and sorted(live.rglob("*")) == rests, 10)
    assert list(scratch.iterdir()) == []
    assert [path for path in (tmp_path / "grades").rglob(".*") if path.name != ".lock"] == []
    runs = [path for path in (tmp_path / "grades" / "students").glob("*/echo/*") if path.is_dir()]
    assert [run for run in runs if not (run / "manifest.json").exists()] == []


def test_grades_of_an_earlier_exercise_are_in_no_sheet_of_a_changed_one(lab: Lab, tmp_path: Path) -> None:
    echo = hurried_echo(tmp_path / "echo")
    for number in range(4):
        hand_in(tmp_path / "all", f"s{number}", "solution")
    lab("grade", "echo", "all")
    written = echo / "exercise.yaml"
    written.write_text(written.read_text().replace("points: 6", "points: 7"))
    words = [sys.executable, "-m", "lab", "grade", "echo", "all", "-j", "1"]
    with subprocess.Popen(words, cwd=tmp_path, text=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("1/4")
        process.send_signal(signal.SIGINT)
        assert "goes on where it stopped" in process.stderr.read()
    found = grades(tmp_path / "grades")
    assert set(found.values()) == {11}
    assert len(found) < 4


def wait_until(come: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def at_work_in(folder: Path) -> list[str]:
    """Processes that live in a folder, are called by it or know of it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        for name in ("cwd", "cmdline", "environ"):
            with suppress(OSError):
                path = process / name
                text = os.readlink(path).encode() if name == "cwd" else path.read_bytes()
                if os.fsencode(folder) in text and int(process.name) != os.getpid():
                    found.append(f"{process.name} {name}")
    return found


def finished(folder: Path) -> int:
    """How many turns were kept, one that waits for its confirmation and its confirmation counted apart."""
    told = [json.loads(path.read_text()) for path in folder.glob("grades/students/*/result.json")]
    return sum(1 + each["alone"] for each in told)


def told(out: Path) -> dict[str, Any]:
    """All of `grades.json` that two runs of the same program have in common."""
    read = json.loads((out / "grades.json").read_text())
    jsonschema.validate(read, schema("grades"))
    of_all = {key: value for key, value in read.items() if key != "students"}
    same = ("key", "student", "name", "members", "late", "submission", "state", "why", "grade", "verdict", "handed_in")
    judged = ("id", "visible", "check", "verdict", "points", "of", "needs", "hint")
    students = {
        each["student"]: {
            **{key: each[key] for key in same},
            "checks": [{key: check[key] for key in judged} for check in each["report"]["checks"]],
            "causes": [(cause["kind"], cause["checks"]) for cause in each["report"]["causes"]],
        }
        for each in read["students"]
    }
    return {**of_all, "students": students}


def test_runs_that_do_not_agree_hold_a_grade_back_for_good(lab: Lab, tmp_path: Path) -> None:
    hand_in(tmp_path / "all", "anna", "solution")
    hand_in(tmp_path / "all", "bert", "solution")
    source = (ECHO / "solution" / "server.py").read_text()
    fickle = source.replace("import socket\n", "import os\nimport socket\n\nCOIN = os.urandom(1)[0] % 2\n")
    fickle = fickle.replace("connection.sendall(data)", "connection.sendall(data if COIN else data.upper())")
    (tmp_path / "all" / "bert" / "server.py").write_text(fickle)
    done = lab("grade", "tcp-echo", "all", "--repeat", "14", code=3)
    assert "bert: the runs do not agree: echoed passed" in done.stdout
    assert grades(tmp_path / "grades") == {"anna": 10}
    again = lab("grade", "tcp-echo", "all", "--repeat", "14", code=3)
    assert again.stderr.splitlines() == ["2 results kept from before; --fresh starts over"]


def test_kept_evidence_is_judged_again_without_a_run(lab: Lab, tmp_path: Path) -> None:
    for kind in ("solution", "wrong/upper-case"):
        hand_in(tmp_path / "all", kind.rpartition("/")[2], kind)
    lab("grade", "tcp-echo", "all")
    told = "student,check,points,reason,by\nupper-case,echoed,1,half of it,ada\n"
    (tmp_path / "grades" / "adjustments.csv").write_text(told)
    runs = sorted(tmp_path.glob("grades/students/*/tcp-echo/*"))
    said = "1 adjustment applied: upper-case +1 (half of it)\n2 students judged again, nothing was run: 0 changed\n"
    assert lab("regrade", "grades").stdout == said
    assert grades(tmp_path / "grades") == {"solution": 10, "upper-case": 3}
    shutil.copytree(ECHO, tmp_path / "new", ignore=shutil.ignore_patterns("recorded"))
    written = tmp_path / "new" / "exercise.yaml"
    text = written.read_text()
    written.write_text(text.replace("needs: [echoed]", "needs: [opened]").replace("points: 6", "points: 5"))
    said = lab("regrade", "grades", "--exercise", "new").stdout
    assert "gained: 1 student\n  upper-case: 3 of 10 → 5 of 9\n" in said
    assert "closed: failed → passed (0 → 2 of 2); client closed first" in said
    assert "the same share of the points for other reasons: 1 student\n  solution: 10 of 10 → 9 of 9\n" in said
    assert grades(tmp_path / "grades") == {"solution": 9, "upper-case": 5}
    jsonschema.validate(json.loads((tmp_path / "grades" / "grades.json").read_text()), schema("grades"))
    assert sorted(tmp_path.glob("grades/students/*/tcp-echo/*")) == runs
    assert "2 results kept from before" in lab("grade", "new", "all").stderr
    written.write_text(text.replace("timeout: 5s", "timeout: 4s"))
    refused = lab("regrade", "grades", "--exercise", "new", code=2)
    assert "this evidence is of another exercise: steps changed" in refused.stderr
    next((tmp_path / "grades" / "students" / "solution").glob("*/*/manifest.json")).unlink()
    assert "1 student whose evidence cannot be read, left as before" in lab("regrade", "grades", code=3).stdout
    assert grades(tmp_path / "grades") == {"solution": 9, "upper-case": 5}


OWN_TOPOLOGY = """name: own-lans
values: {lan: 10.0.1.0/24}
networks: {lan: {subnet: "${lan}"}}
nodes: {client: {role: client, interfaces: {eth0: lan}}, server: {role: server, interfaces: {eth0: lan}}}
"""
OWN = """version: 1
name: own
values: {port: {draw: 20000-29999}, word: {draw: token}, lan: {draw: 10.64.0.0/10, length: 24}}
submission: {files: [server.py]}
settle: 500ms
steps:
  - {name: server, node: server, code: submission, run: [python3, server.py], background: true,
     ready: {tcp: "${port}", within: 1s}}
  - {name: client, node: client, run: [python3, -c, "import socket, sys; c = socket.create_connection(('server',
     int(sys.argv[1]))); c.recv(99); c.close()", "${port}"], timeout: 2s}
checks:
  - {id: opened, check: tcp-handshake, from: client, to: server, port: "${port}", points: 1}
  - {id: greeted, check: tcp-data, from: client, to: server, port: "${port}", server_sends: "${word}", points: 2}
"""


def test_who_answers_with_anothers_values_is_told_with_whose(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "topology.yaml").write_text(OWN_TOPOLOGY)
    (tmp_path / "own" / "exercise.yaml").write_text(OWN)
    (tmp_path / "secret").write_text("nobody can guess these words\n")
    (tmp_path / "all").mkdir()
    assert "--student ID" in lab("handout", "own", "-o", "anna", code=2).stderr
    lab("handout", "own", "-o", "anna", "--student", "anna", "--secret", "secret")
    values = load_exercise(tmp_path / "anna").values
    program = (
        "import socket\n"
        f"with socket.create_server(('', {values['port']})) as listening:\n"
        "    connection, _ = listening.accept()\n"
        "    with connection:\n"
        f"        connection.sendall(b'{values['word']}')\n"
        "        connection.recv(1)\n"
    )
    (tmp_path / "anna" / "server.py").write_text(program)
    assert "GRADE  3 of 3 points" in lab("run", "anna").stdout
    words = ("run", "own", "--submission", "anna", "--secret", "secret", "--student")
    assert "GRADE  3 of 3 points" in lab(*words, "anna").stdout
    assert "GRADE  0 of 3 points" in lab(*words, "bert", code=1).stdout
    assert "--secret says nothing without --student" in lab(*words[:-1], code=2).stderr
    for student in ("anna", "bert"):
        (tmp_path / "all" / f"{student}.py").write_text(program)
    assert "--secret FILE" in lab("grade", "own", "all", code=2).stderr
    done = lab("grade", "own", "all", "--secret", "secret")
    assert "bert answers with values of anna: port, word\n" in done.stdout
    assert "anna answers" not in done.stdout
    assert grades(tmp_path / "grades") == {"anna": 3, "bert": 0}
    told = json.loads((tmp_path / "grades" / "grades.json").read_text())
    jsonschema.validate(told, schema("grades"))
    foreign = [each.get("foreign", []) for each in told["students"]]
    assert foreign == [[], [{"student": "anna", "values": ["port", "word"]}]]
    assert lab("regrade", "grades").stdout == "2 students judged again, nothing was run: 0 changed\n"
    lab("bundle", "grades", "bert")
    with zipfile.ZipFile(tmp_path / "bert.zip") as archive:
        kept = [archive.read(name) for name in archive.namelist() if name.endswith("/submission/server.py")]
        assert set(kept) == {program.encode()}  # of a second run too, where a busy machine may have been at fault
        assert not any("anna" in archive.read(name).decode(errors="replace") for name in archive.namelist())


def test_from_an_lms_download_to_its_sheet(lab: Lab, tmp_path: Path) -> None:
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("my work/server.py", (ECHO / "wrong" / "resets" / "server.py").read_text())
    with zipfile.ZipFile(tmp_path / "submissions.zip", "w") as archive:
        solution = (ECHO / "solution" / "server.py").read_text()
        archive.writestr("Anna Abel_11_assignsubmission_file/server.py", solution)
        archive.writestr("Bert Böhm_12_assignsubmission_file/work.zip", inside.getvalue())
        archive.writestr("Zoe Zorn_99_assignsubmission_file/server.py", solution)
    head = "Identifier,Full name,Email address,Grade,Maximum Grade,Last modified (grade),Feedback comments"
    rows = [f"Participant {number},{name},x@y,,100.00,-," for number, name in ((11, "Anna"), (12, "Bert"), (13, "Cem"))]
    (tmp_path / "sheet.csv").write_text("\ufeff" + "\n".join([head, *rows]) + "\n")
    done = lab("grade", "tcp-echo", "submissions.zip", "--roster", "sheet.csv")
    before = done.stderr.split("1/3")[0]
    assert "1 not in the sheet, so graded but not entered there: 99" in before
    assert "1 in the sheet, and handed nothing in: Cem (Participant 13)" in before
    with (tmp_path / "grades" / "filled-sheet.csv").open(newline="") as file:
        filled = {row["Identifier"]: row for row in csv.DictReader(file)}
    assert {name: row["Grade"] for name, row in filled.items()} == {"Participant 11": "100", "Participant 12": "80"}
    assert list(filled["Participant 11"]) == head.split(",")
    assert "by a reset (RST)" in filled["Participant 12"]["Feedback comments"]
    assert "11, 99: the same" in done.stdout
    assert lab("grade", "tcp-echo", "submissions.zip", "--roster", "nothing.csv", code=2).stderr


def test_lateness_costs_what_the_exercise_says_where_the_times_are_told(lab: Lab, tmp_path: Path) -> None:
    for student in ("anna", "bert", "cem"):
        hand_in(tmp_path / "all", student, "solution")
    times = "student,submitted\nanna,2026-11-30 23:58\nbert,2026-12-01 23:58\nnobody,2026-12-09 12:00\n"
    (tmp_path / "times.csv").write_text(times)
    assert "does not say what lateness costs" in lab("grade", "tcp-echo", "all", "--late", "times.csv", code=2).stderr
    shutil.copytree(ECHO, tmp_path / "echo", ignore=shutil.ignore_patterns("recorded"))
    written = tmp_path / "echo" / "exercise.yaml"
    rule = "late: {due: 2026-11-30T23:59:00+01:00, per_day: 20%}\n"
    written.write_text(written.read_text() + rule)
    done = lab("grade", "echo", "all", "--late", "times.csv")
    assert "1 of whom --late tells no time, so counted as in time: cem\n" in done.stderr
    assert "1 student late:\n  bert: -2 points; 1 day late: came 2026-12-01 23:58:00+01:00, due" in done.stdout
    assert grades(tmp_path / "grades") == {"anna": 10, "bert": 8, "cem": 10}
    jsonschema.validate(json.loads((tmp_path / "grades" / "grades.json").read_text()), schema("grades"))
    written.write_text(written.read_text().replace("20%", "30%"))
    said = lab("regrade", "grades", "--exercise", "echo").stdout
    assert "bert: 8 → 7 of 10\n" in said
    assert grades(tmp_path / "grades") == {"anna": 10, "bert": 7, "cem": 10}
    lab("export", "feedback", "grades", "-o", "feedback")
    assert "lateness: -3 points: 1 day late" in (tmp_path / "feedback" / "bert.md").read_text()
    again = lab("grade", "echo", "all").stderr  # without the times
    assert "3 results kept from before" in again
    assert "no longer late, as --late is not given: bert\n" in again
    assert grades(tmp_path / "grades") == {"anna": 10, "bert": 10, "cem": 10}

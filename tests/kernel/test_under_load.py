"""Verdicts on a machine whose cores are all busy with something else are those of an idle one.

Five repeats belong to the ordinary tests; `make soak` asks for a hundred.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from handin_runs import ECHO, hurried

from lab import pipeline
from lab.console import quiet
from lab.exercise import load_exercise
from lab.exercise.submission import HandedIn, read_submission
from lab.grade import Grade
from lab.runtime import choose

pytestmark = pytest.mark.kernel

REPEATS = int(os.environ.get("SOAK_REPEATS", "5"))
BURN = "while True: pass"
Verdicts = tuple[tuple[str, ...], str]  # the failed checks and the kind of the root cause


@contextmanager
def burning(processes: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that do nothing but need a core each; of one session they would share a lab's share between them."""
    started = [subprocess.Popen([sys.executable, "-c", BURN], start_new_session=True) for _ in range(processes)]
    try:
        yield started
    finally:
        end(started)


def end(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
    for process in processes:
        process.wait()


def verdicts(grade: Grade) -> Verdicts:
    failed = tuple(result.graded.id for result in grade.results if result.verdict.outcome != "passed")
    return failed, grade.causes[0].cause.kind if grade.causes else ""


@pytest.mark.parametrize(
    ("hand_in", "seconds", "repeats", "expected"),
    [
        ("solution", None, REPEATS, ((), "")),
        ("wrong/one-recv", None, REPEATS, (("echoed", "closed"), "closed-first")),
        ("wrong/upper-case", None, REPEATS, (("echoed", "closed"), "differs")),
        ("wrong/never-closes", 3.0, max(1, REPEATS // 5), (("closed",), "never-closed")),
    ],
)
def test_verdicts_do_not_change_while_both_cores_burn(
    hand_in: str, seconds: float | None, repeats: int, expected: Verdicts, tmp_path: Path
) -> None:
    exercise = hurried(ECHO, seconds) if seconds else load_exercise(ECHO)
    handed_in = read_submission(exercise, ECHO / hand_in)
    seen: Counter[Verdicts] = Counter()
    with burning(os.cpu_count() or 2):
        for _ in range(repeats):
            seen[verdicts(pipeline.grade(exercise, handed_in, choose(None, None, print), tmp_path, quiet)[2])] += 1
    assert seen == {expected: repeats}


THINKS = """
import socket, sys, time
with socket.create_server(("", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            text = b""
            while data := connection.recv(4096):
                text += data
            while time.process_time() < 0.4:
                pass
            connection.sendall(text)
"""


def test_what_the_load_alone_made_late_is_decided_by_a_run_with_nothing_beside_it(tmp_path: Path) -> None:
    """The load ends when the first run has failed for a time limit, as a class's other runs do.

    Of 20 processes to a core, one that needs 0.4 s gets them in 8 s.
    """
    exercise = hurried(ECHO, 3.0)
    handed_in = HandedIn(files={"server.py": THINKS.encode()})
    with burning(20 * (os.cpu_count() or 2)) as load:

        def say(text: str) -> None:
            if text.startswith("a failure rests on a time limit"):
                end(load)

        _, evidence, grade = pipeline.grade(exercise, handed_in, choose(None, None, print), tmp_path, say)
    assert verdicts(grade) == ((), "")
    first = evidence.manifest["confirms"]
    assert first, "the load was too light to exceed a limit"
    assert verdicts(pipeline.judge(Path(first))[1]) != ((), "")
    assert len(list(tmp_path.glob("*/*/manifest.json"))) == 2, "both runs are kept"


def test_what_is_late_without_any_load_has_failed(tmp_path: Path) -> None:
    exercise = hurried(ECHO, 2.0)
    handed_in = read_submission(exercise, ECHO / "wrong" / "never-closes")
    _, evidence, grade = pipeline.grade(exercise, handed_in, choose(None, None, print), tmp_path, quiet)
    assert verdicts(grade) == (("closed",), "never-closed")
    assert evidence.manifest["confirms"]

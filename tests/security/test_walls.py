"""Hostile programs among honest ones: what each tried, that it failed, that its grade is right, and everyone's else."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.security.conftest import EXPECTED, PROGRAMS, SECRET, Class, Services

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap", "ip")]
OWN_PORT = b"7643"  # of the exercise
LEFT_BEHIND = (b"server.py\0" + OWN_PORT, b"86399.517")
MOST_KEPT = 300 << 20  # bytes of one run: captures end at 64 MiB, and there are four


def test_each_program_is_expected_to_come_to_something() -> None:
    assert set(EXPECTED) == {path.stem for path in PROGRAMS.glob("*.py")}
    assert len(EXPECTED) >= 40


@pytest.mark.parametrize("name", EXPECTED)
def test_it_fails_to_do_harm_and_gets_its_grade(name: str, graded: Class) -> None:
    turn, expected = graded.hostile[name], EXPECTED[name]
    assert turn.told["state"] == "graded", turn.explain()
    assert turn.grade.points == expected["points"], turn.explain()
    if "cause" in expected:
        assert turn.cause in expected["cause"], turn.explain()
    for pattern in expected.get("says", ()):
        assert re.search(pattern, turn.output, re.MULTILINE), turn.explain()
    for pattern in expected.get("never", ()):
        assert not re.search(pattern, turn.output, re.MULTILINE), turn.explain()
    assert len(turn.outcomes) >= expected.get("tries", 0), turn.explain()
    got = {what: came for what, came in turn.outcomes.items() if came.startswith("got")}
    assert not got, turn.explain()
    (beside,) = [result for result in turn.grade.results if result.graded.id == "untouched"]
    assert str(beside.verdict.outcome) == "passed", turn.explain()


@pytest.mark.parametrize("name", EXPECTED)
def test_its_neighbours_are_graded_as_ever(name: str, graded: Class) -> None:
    for other, points in graded.beside(graded.hostile[name]):
        assert (other.told["state"], other.grade.points) == ("graded", points), other.explain()


def test_there_were_neighbours(graded: Class) -> None:
    for other, points in graded.honest:
        assert (other.told["state"], other.grade.points) == ("graded", points), other.explain()
    accompanied = [name for name, turn in graded.hostile.items() if not turn.told["alone"] and graded.beside(turn)]
    assert len(accompanied) > len(EXPECTED) / 3


@pytest.mark.parametrize("name", EXPECTED)
def test_the_evidence_is_plain_files_of_bounded_size(name: str, graded: Class) -> None:
    folder, size = graded.hostile[name].directory, 0
    for path in folder.rglob("*"):
        told = path.lstat()
        assert stat.S_ISREG(told.st_mode) or stat.S_ISDIR(told.st_mode), path
        size += told.st_size
    assert size < MOST_KEPT


def test_none_of_the_hosts_services_was_reached(graded: Class, services: Services) -> None:
    assert graded.hostile["reaches_the_host"].outcomes
    assert not services.reached


def test_no_word_of_the_hosts_is_in_any_output(graded: Class) -> None:
    for turn in graded.hostile.values():
        assert SECRET.decode() not in turn.output, turn.student


def test_no_process_is_left(graded: Class) -> None:
    assert graded.hostile
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            said = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if any(mark in said for mark in LEFT_BEHIND):
            left.append(said)
    assert not left


def test_nothing_was_typed_or_planted_on_the_host(graded: Class) -> None:
    assert graded.hostile
    for path in ("/tmp/owned", "/tmp/results.json", "/autograder/results/results.json"):
        assert not Path(path).exists()
    words = ["find", str(graded.out), "!", "-type", "f", "!", "-type", "d"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert told.stdout == ""

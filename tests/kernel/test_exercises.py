"""The ready-made exercises prove themselves: the matrix of hand-ins against the verdict of every check.

Each hand-in runs once in the ordinary tests; `make soak` runs each ten times, and every time has to say the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.catalog import exercises
from lab.exercise import load_exercise

pytestmark = pytest.mark.kernel

REPEATS = int(os.environ.get("SOAK_REPEATS", "10")) // 10 or 1
FOLDERS = {each.name: each.path.parent for each in exercises()}
HAND_INS = [(name, path.parent) for name in FOLDERS for path in sorted(FOLDERS[name].glob("wrong/*/expect.yaml"))]
WRONG = [pytest.param(name, path, id=f"{name}-{path.name}") for name, path in HAND_INS]

Tried = Callable[[str], Mapping[str, Any]]


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> Tried:
    """Each exercise goes once through `lab try`: all its hand-ins, side by side, as often as is asked for."""

    @cache
    def told(name: str) -> Mapping[str, Any]:
        words = [sys.executable, "-m", "lab", "try", name, "--json", "--repeat", str(REPEATS)]
        folder = tmp_path_factory.mktemp("tried")
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=600 * REPEATS, check=False)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        found: Mapping[str, Any] = json.loads(done.stdout)
        return found

    return told


def _said(run: Mapping[str, Any]) -> dict[str, Any]:
    """What a run says, without what tells it apart from its repeats."""
    return {key: run[key] for key in ("grade", "checks", "cause", "problem")}


@pytest.mark.parametrize("name", FOLDERS)
def test_a_ready_made_exercise_is_sound(name: str, tried: Tried) -> None:
    """All points for the solution, none for nothing, a wrong hand-in for every graded check."""
    told = tried(name)
    assert told["sound"], json.dumps(told, indent=1)
    for each in told["hand_ins"]:
        assert len(each["runs"]) == REPEATS
        assert [_said(run) for run in each["runs"]] == [_said(each["runs"][0])] * REPEATS, each["name"]
    points = {each["name"]: each["runs"][0]["grade"] for each in told["hand_ins"]}
    assert points["solution"]["points"] == points["solution"]["of"] > 0
    assert {points[idle]["points"] for idle in ("empty", "skeleton")} == {0}
    assert len([each for each in told["hand_ins"] if each["fails"]]) >= 4


@pytest.mark.parametrize(("name", "hand_in"), WRONG)
def test_a_wrong_hand_in_fails_exactly_what_it_should(name: str, hand_in: Path, tried: Tried) -> None:
    expected = yaml.safe_load((hand_in / "expect.yaml").read_text())
    checks = [each.id for each in load_exercise(FOLDERS[name]).checks]
    runs = next(each["runs"] for each in tried(name)["hand_ins"] if each["name"] == f"wrong/{hand_in.name}")
    for run in runs:
        said = json.dumps(run, indent=1)
        assert run["checks"] == {each: "failed" if each in expected["fails"] else "passed" for each in checks}, said
        assert run["cause"] == expected.get("cause", run["cause"]), said

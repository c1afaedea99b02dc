"""The ready-made exercises prove themselves, and each wrong hand-in fails what it should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from handin_runs import Judged

from lab.catalog import exercises
from lab.checks.base import Outcome

pytestmark = pytest.mark.kernel

FOLDERS = {each.name: each.path.parent for each in exercises()}
HAND_INS = [path.parent for folder in FOLDERS.values() for path in sorted(folder.glob("wrong/*/expect.yaml"))]
WRONG = [pytest.param(path, id="/".join(path.parts[-4:])) for path in HAND_INS]


@pytest.mark.parametrize("name", FOLDERS)
def test_a_ready_made_exercise_is_sound(name: str, tmp_path: Path) -> None:
    """All points for the solution, none for nothing, a wrong hand-in for every graded check: as `lab try` has it."""
    words = [sys.executable, "-m", "lab", "try", name, "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["sound"]
    points = {each["name"]: each["runs"][0]["grade"] for each in told["hand_ins"]}
    assert points["solution"]["points"] == points["solution"]["of"] > 0
    assert {points[idle]["points"] for idle in ("empty", "skeleton")} == {0}
    assert len([each for each in told["hand_ins"] if each["fails"]]) >= 5


@pytest.mark.parametrize("hand_in", WRONG)
def test_a_wrong_hand_in_fails_exactly_what_it_should(hand_in: Path, judged: Judged) -> None:
    expected = yaml.safe_load((hand_in / "expect.yaml").read_text())
    found = judged(hand_in.parent.parent, hand_in)
    assert found.failed == set(expected["fails"]), found.explain()
    assert not found.ids(Outcome.NOT_MEASURED), found.explain()
    assert found.grade.exit_code == 1
    if "cause" in expected:
        assert found.root_cause == expected["cause"], found.explain()

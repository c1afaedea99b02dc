"""The ready-made exercises: the solution gets all points, an idle hand-in none, each wrong one fails what it should."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from handin_runs import HURRY, Judged, hurried, run

from lab.catalog import exercises
from lab.checks.base import Outcome
from lab.exercise import load_exercise

pytestmark = pytest.mark.kernel

FOLDERS = {each.name: each.path.parent for each in exercises()}
HAND_INS = [path.parent for folder in FOLDERS.values() for path in sorted(folder.glob("wrong/*/expect.yaml"))]
WRONG = [pytest.param(path, id="/".join(path.parts[-4:])) for path in HAND_INS]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_solution_gets_all_points(name: str, tmp_path: Path) -> None:
    found = run(load_exercise(FOLDERS[name]), FOLDERS[name] / "solution", tmp_path)
    assert not found.failed, found.explain()
    assert found.grade.exit_code == 0, found.explain()
    assert found.grade.points == found.grade.of > 0


@pytest.mark.parametrize("name", FOLDERS)
def test_an_empty_hand_in_gets_no_point(name: str, tmp_path: Path) -> None:
    hand_in = tmp_path / "empty"
    hand_in.mkdir()
    found = run(hurried(FOLDERS[name], HURRY), hand_in, tmp_path / "runs")
    assert found.grade.points == 0, found.explain()
    assert found.grade.exit_code == 1, found.explain()


@pytest.mark.parametrize("name", FOLDERS)
def test_the_skeleton_gets_no_point(name: str, tmp_path: Path) -> None:
    found = run(hurried(FOLDERS[name], HURRY), FOLDERS[name] / "skeleton", tmp_path)
    assert found.grade.points == 0, found.explain()
    assert found.grade.exit_code == 1, found.explain()


@pytest.mark.parametrize("hand_in", WRONG)
def test_a_wrong_hand_in_fails_exactly_what_it_should(hand_in: Path, judged: Judged) -> None:
    expected = yaml.safe_load((hand_in / "expect.yaml").read_text())
    found = judged(hand_in.parent.parent, hand_in)
    assert found.failed == set(expected["fails"]), found.explain()
    assert not found.ids(Outcome.NOT_MEASURED), found.explain()
    assert found.grade.exit_code == 1
    if "cause" in expected:
        assert found.root_cause == expected["cause"], found.explain()


@pytest.mark.parametrize("name", FOLDERS)
def test_every_graded_check_is_failed_by_some_wrong_hand_in(name: str) -> None:
    wrong = [yaml.safe_load(path.read_text()) for path in FOLDERS[name].glob("wrong/*/expect.yaml")]
    graded = {each.id for each in load_exercise(FOLDERS[name]).checks if each.counts}
    assert len(wrong) >= 5
    assert graded <= {check for each in wrong for check in each["fails"]}

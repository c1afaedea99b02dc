"""Right echo servers in unusual style pass, and wrong ones fail exactly where they are wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from handin_runs import ECHO, hurried, run_files

from lab.checks.base import Outcome
from lab.exercise import load_exercise

pytestmark = pytest.mark.kernel

HAND_INS = Path(__file__).parents[1] / "handins" / "tcp-echo"
RIGHT = sorted(path.stem for path in HAND_INS.glob("right/*.py"))
WRONG: dict[str, dict[str, Any]] = yaml.safe_load((HAND_INS / "wrong.yaml").read_text())
HURRY = 2.0  # seconds


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.tool("cc")) if n == "in_c" else n for n in RIGHT])
def test_a_right_program_in_unusual_style_passes(name: str, tmp_path: Path) -> None:
    code = (HAND_INS / "right" / f"{name}.py").read_bytes()
    found = run_files(load_exercise(ECHO), {"server.py": code}, tmp_path)
    assert not found.failed, found.explain()
    assert found.grade.points == found.grade.of == 10, found.explain()
    assert found.evidence.steps["client"].exit_code == 0, found.explain()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_program_fails_where_it_is_wrong(name: str, tmp_path: Path) -> None:
    code = (HAND_INS / "wrong" / f"{name}.py").read_bytes()
    found = run_files(hurried(ECHO, HURRY), {"server.py": code}, tmp_path)
    assert found.failed == set(WRONG[name]["fails"]), found.explain()
    assert not found.ids(Outcome.NOT_MEASURED), found.explain()
    assert found.root_cause == WRONG[name]["cause"], found.explain()
    told = found.grade.causes[0].cause
    assert re.search(r"\b(client|server|server\.py)\b", told.text), told


def test_every_program_is_used() -> None:
    assert len(RIGHT) >= 15
    assert sorted(WRONG) == sorted(path.stem for path in HAND_INS.glob("wrong/*.py"))

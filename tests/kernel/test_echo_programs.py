"""Right programs in unusual style pass, and wrong ones fail exactly where they are wrong."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from handin_runs import ECHO, HAND_INS, Judged

from lab.checks.base import Outcome

pytestmark = pytest.mark.kernel

EXERCISES = {"tcp-echo": ECHO, "question": HAND_INS / "question", "tcp-client": HAND_INS / "tcp-client"}
RIGHT = [(name, path) for name in EXERCISES for path in sorted((HAND_INS / name).glob("right/*.py"))]
WRONG: dict[str, dict[str, dict[str, Any]]] = {
    name: yaml.safe_load((HAND_INS / name / "wrong.yaml").read_text()) for name in EXERCISES
}


def told(name: str, path: Path) -> Any:
    return pytest.param(name, path, id=f"{name}-{path.stem}", marks=[pytest.mark.tool("cc")] * (path.stem == "in_c"))


@pytest.mark.parametrize(("name", "path"), [told(*each) for each in RIGHT])
def test_a_right_program_in_unusual_style_passes(name: str, path: Path, judged: Judged) -> None:
    found = judged(EXERCISES[name], path, None)
    assert not found.failed, found.explain()
    assert found.grade.points == found.grade.of > 0, found.explain()
    assert found.evidence.steps["client"].exit_code == 0, found.explain()


@pytest.mark.parametrize(
    ("name", "path"), [told(name, HAND_INS / name / "wrong" / f"{each}.py") for name in WRONG for each in WRONG[name]]
)
def test_a_wrong_program_fails_where_it_is_wrong(name: str, path: Path, judged: Judged) -> None:
    expected = WRONG[name][path.stem]
    found = judged(EXERCISES[name], path)
    assert found.failed == set(expected["fails"]), found.explain()
    assert not found.ids(Outcome.NOT_MEASURED), found.explain()
    assert found.root_cause == expected["cause"], found.explain()
    assert len(found.grade.causes) == expected.get("causes", 1), found.explain()
    assert re.search(r"\b(client|server|server\.py)\b", found.grade.causes[0].cause.text), found.explain()


def test_every_program_is_used() -> None:
    for name in EXERCISES:
        assert sorted(WRONG[name]) == sorted(path.stem for path in (HAND_INS / name).glob("wrong/*.py"))
    assert sum(name == "tcp-echo" for name, _ in RIGHT) >= 15
    assert len(WRONG["tcp-echo"]) >= 20

"""What students are told of real mistakes, word for word: real programs, run in real labs.

UPDATE_GOLDEN=1 writes what is told now; read it with the eyes of a student, and of a teacher who must defend it.
"""

from __future__ import annotations

import os
import re
import textwrap
from pathlib import Path

import pytest
import yaml
from handin_runs import ECHO, HAND_INS, ROUTES, Judged, Run

from lab.report.text import MOST_FRAMES, report_lines

pytestmark = pytest.mark.kernel

GOLDEN = Path(__file__).parents[1] / "golden" / "feedback"
EXERCISES = {"tcp-echo": ECHO, "question": HAND_INS / "question", "tcp-client": HAND_INS / "tcp-client"}
CASES = {
    **{f"{folder.name}-{path.name}": (folder, path) for folder in (ECHO, ROUTES) for path in folder.glob("wrong/*")},
    **{
        f"{name}-{program}": (exercise, HAND_INS / name / "wrong" / f"{program}.py")
        for name, exercise in EXERCISES.items()
        for program in yaml.safe_load((HAND_INS / name / "wrong.yaml").read_text())
    },
}
# What differs from run to run, and what stands in its place; frames are numbered alike only until data flows.
VARYING = (
    (r"source ports \d+ and \d+", "source ports N and N"),
    (r"UDP \d+ →", "UDP N →"),
    (r"(source port|ISN) \d+", r"\1 N"),
    (r"\b\d+ packets?\b", "N packets"),
    (r"when \d+ bytes of", "when N bytes of"),
    (r"#(?:[6-9]|\d{2,})\b", "#n"),
    (r"#n(?: #n)+", "#n …"),
    (r"in [34] segments", "in N segments"),
    (r"port [1-6]\d{4}\b", "port NNNNN"),
    (r"\b(FIN|RST), ACK\b", "FIN or RST, ACK"),
)


def told(found: Run) -> str:
    """The report, wrapped only after what varies is gone, for the places where lines break vary with it."""
    text = "\n".join(line.text for line in report_lines(found.evidence, found.grade, "RUN", width=999, called="."))
    text = re.sub(r"(?m)^(.{60,})   (more: lab frame)", r"\1\n   \2", text)
    for pattern, constant in VARYING[: None if "closed the connection when it had sent" in text else -1]:
        text = re.sub(pattern, constant, text)
    wrapped = (textwrap.wrap(line, 100, subsequent_indent="   ", break_on_hyphens=False) for line in text.splitlines())
    return "".join(f"{line}\n" for lines in wrapped for line in lines)


@pytest.mark.parametrize("name", sorted(CASES))
def test_feedback(name: str, judged: Judged) -> None:
    text = told(judged(*CASES[name]))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_cause_is_told_first_and_once_with_few_frames(name: str) -> None:
    _, first, *rest = (GOLDEN / f"{name}.txt").read_text().splitlines()
    assert first.startswith("CAUSE  ")
    cause = first.removeprefix("CAUSE  ")
    assert not any(cause in line for line in rest), "told twice"
    assert sum(line.startswith("   ") and " #" in line and "→" in line for line in rest) <= MOST_FRAMES
    assert "look at:" in "\n".join(rest)


def test_every_golden_is_of_a_case() -> None:
    assert len(CASES) >= 30
    assert sorted(path.stem for path in GOLDEN.iterdir()) == sorted(CASES)

"""The table of claims in topologies/README.md: every row's exercises and checks are there, and fail for somebody."""

from __future__ import annotations

import re

import pytest
import yaml

from lab.catalog import exercises, folder
from lab.exercise import load_exercise
from lab.trace.claims import CLAIMS

README = (folder() / "README.md").read_text()
WORDS = dict(re.findall(r"(?m)^\| (C\d+) \| ([^|]+) \|", README))
ROWS = [tuple(map(str.strip, row)) for row in re.findall(r"(?m)^\| (C\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", README)]
EXERCISES = {each.name.rpartition("/")[2]: each.path.parent for each in exercises()}


def words(cell: str) -> list[str]:
    return [re.sub(r"\[(.+)\]\(.+\)", r"\1", word.strip(" `")) for word in cell.split(",")]


@pytest.mark.parametrize(("claim", "shown_by", "proved_by"), ROWS, ids=[row[0] for row in ROWS])
def test_a_claim_is_proved_by_its_checks_and_a_wrong_hand_in_fails_them(
    claim: str, shown_by: str, proved_by: str
) -> None:
    checks, failing = set(), set()
    for name in words(shown_by):
        kinds = {each.id: each.check.kind for each in load_exercise(EXERCISES[name]).checks}
        checks |= set(kinds.values())
        for expect in EXERCISES[name].glob("wrong/*/expect.yaml"):
            failing |= {kinds[each] for each in yaml.safe_load(expect.read_text())["fails"]}
    assert set(words(proved_by)) <= checks
    assert set(words(proved_by)) <= failing, f"{claim}: no wrong hand-in fails it"


def test_the_commands_call_a_claim_what_the_table_calls_it() -> None:
    assert {claim: said.replace("`", "") for claim, said in WORDS.items()} == CLAIMS


def test_every_exercise_is_in_the_course() -> None:
    assert set(re.findall(r"(?m)^\| \d+ \| \[([^]]+)\]", README)) == set(EXERCISES)


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (folder() / target).is_file(), target

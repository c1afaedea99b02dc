"""`lab checks`: told from the code, and every example is a line that an exercise takes."""

import json

import pytest
from doctored import two_lans

from lab.checks import CHECKS
from lab.checks.describe import describe
from lab.commands.checks import checks
from lab.errors import LabError
from lab.exercise.load import parse_exercise

EXERCISE = """
version: 1
name: shown
submission: {files: [server.py]}
steps:
  - {name: server, node: server, code: submission, run: [python3, server.py], background: true, calls: true}
faults:
  - {id: lost, cut: lan, after: server}
checks:
"""


@pytest.mark.parametrize("kind", CHECKS)
def test_the_example_is_taken(kind: str) -> None:
    found = describe(CHECKS[kind])
    exercise = parse_exercise(f"{EXERCISE}  {found.example}\n", "exercise.yaml", lambda _: two_lans())
    assert type(exercise.checks[0].check) is CHECKS[kind]


@pytest.mark.parametrize("kind", CHECKS)
def test_each_is_told_whole(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    checks(kind, False)
    said = capsys.readouterr().out
    found = describe(CHECKS[kind])
    assert said.startswith(f"{kind}: {found.summary}")
    assert f"Rule: {found.rule}" in said
    assert found.example in said
    for row in (*found.parameters, *found.common):
        assert f"\n  {row.key} " in said
        assert row.meaning.split()[0] in said


def test_what_is_required_and_what_is_not() -> None:
    rows = {row.key: row for row in describe(CHECKS["tcp-data"]).parameters}
    assert rows["from"].default is None
    assert rows["port"].kind == "a port from 1 to 65535"
    assert rows["connection"].default == "only"
    assert rows["server_sends"].default == ""
    assert {row.key: row.default for row in describe(CHECKS["python"]).parameters}["timeout"] == "20s"


def test_the_list_names_every_check_and_its_claims(capsys: pytest.CaptureFixture[str]) -> None:
    checks(None, False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["CHECK", *CHECKS]
    checks(None, True)
    assert [each["claims"] for each in json.loads(capsys.readouterr().out)] == [
        list(check.claims) for check in CHECKS.values()
    ]
    checks("path", True)
    assert json.loads(capsys.readouterr().out)["parameters"][0]["key"] == "from"


def test_an_unknown_check_gets_the_nearest() -> None:
    with pytest.raises(LabError, match="there is no check tcp-dat\n  did you mean tcp-data"):
        checks("tcp-dat", False)

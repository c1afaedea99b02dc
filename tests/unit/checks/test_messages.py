"""The message that `lab checks NAME` shows is one that the check gives, of evidence that fails it."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from doctored import clean, probe
from test_no_exception import ALL, QUESTIONS, SHAPES, spoiled

from lab.checks import CHECKS, FaultStruck, Raw
from lab.checks.base import Outcome
from lab.checks.where import Number
from lab.exercise.faults import Fault
from lab.grade import judge

# What judges by a record of system calls, by a program's output or by other talks than those that are spoiled here: the
# message stands, word for word, in the tests of the check.
ELSEWHERE = {
    "connections": "test_check_connections.py",
    "icmp": "test_icmp.py",
    "ndp": "test_ndp.py",
    "output": "test_check_output.py",
    "python": "test_python.py",
    "sockets": "test_sockets.py",
}


def _alike(text: str) -> str:
    return re.sub(r"\d+", "N", text)


@cache
def _told() -> set[tuple[str, str]]:
    """What failed checks say of spoiled evidence, by kind."""
    told = set()
    checks = (*ALL, Raw(source="client", packets="ip.proto == 253", count=Number(1, 1)))
    sheet = "".join(f"{key}: 7\n" for key in QUESTIONS).encode()
    for seed in range(150):
        states = dict.fromkeys(("before", "after", "settled"), SHAPES[-1])
        evidence = spoiled(seed).evidence(*checks, states=states, probes=(probe("silence"),))
        for result in judge(replace(evidence, submission={"answers.yaml": sheet})).results:
            if result.verdict.outcome is Outcome.FAILED:
                told.add((result.graded.check.kind, _alike(result.verdict.seen)))
    return told


def test_a_fault_that_never_struck_says_so() -> None:
    fault = Fault("lost", "drop", network="lan", packets="tcp.len > 9999")
    nothing = {"id": "lost", "target": "lan", "seen": 0, "struck": []}
    evidence = clean().evidence(FaultStruck(fault="lost"), manifest={"faults": [nothing]})
    evidence = replace(evidence, exercise=replace(evidence.exercise, faults=(fault,)))
    (found,) = judge(evidence).results
    assert (found.verdict.outcome, found.verdict.seen) == (Outcome.FAILED, FaultStruck.says)


@pytest.mark.parametrize("kind", [each for each in CHECKS if each != "fault"])
def test_the_message_is_one_that_the_check_gives(kind: str) -> None:
    says = CHECKS[kind].says
    assert says
    if kind in ELSEWHERE:
        tests = Path(__file__).with_name(ELSEWHERE[kind]).read_text()
        assert _alike(says) in _alike(tests)
    else:
        assert (kind, _alike(says)) in _told()

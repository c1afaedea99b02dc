"""One suite for every runtime: each test gets each of them in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.plan import Plan, make_plan
from lab.runtime import RUNTIMES
from lab.runtime.base import LiveLab, Process, Program, Runtime
from lab.topology import parse_topology

READY_MADE = Path(__file__).parents[2] / "topologies"


MARKS = {"netns": pytest.mark.kernel, "docker": pytest.mark.docker}


@pytest.fixture(params=[pytest.param(name, marks=MARKS[name]) for name in RUNTIMES])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    chosen = RUNTIMES[request.param]()
    problems = chosen.problems()
    if problems:
        pytest.skip(f"{request.param} cannot work here: " + "; ".join(map(str, problems)))
    return chosen


@pytest.fixture
def up(runtime: Runtime) -> Iterator[Callable[[str | Plan], LiveLab]]:
    """Bring a topology (text, or a ready-made name) up; it ends with the test."""
    live: list[LiveLab] = []

    def bring(topology: str | Plan) -> LiveLab:
        lab = runtime.up(plan_of(topology) if isinstance(topology, str) else topology, say=lambda _: None)
        live.append(lab)
        return lab

    yield bring
    for lab in live:
        lab.close()


def plan_of(topology: str) -> Plan:
    ready_made = READY_MADE / topology / "topology.yaml" if "\n" not in topology else None
    text = ready_made.read_text() if ready_made else topology
    return make_plan(parse_topology(text, str(ready_made or "topology.yaml")))


def run(lab: LiveLab, node: str, *argv: str, timeout: float = 20, **given: Any) -> Process:
    """Run a program to its end."""
    process = lab.start(Program(node, argv, **given))
    assert lab.wait(lambda: not process.running, timeout), f"{argv} did not end: {process.stderr.data!r}"
    return process


def out(lab: LiveLab, node: str, *argv: str, **given: Any) -> str:
    """What a program that must succeed prints."""
    process = run(lab, node, *argv, **given)
    assert process.exit_code == 0, (argv, process.exit_code, process.stderr.data.decode())
    return process.stdout.data.decode()


def python(lab: LiveLab, node: str, code: str, **given: Any) -> str:
    """What a Python program that must succeed prints."""
    return out(lab, node, "python3", "-c", code, **given)

"""A pytest plugin: an exercise, or any test of a network program, written as plain pytest.

    def test_the_greeting(lab_run):
        run = lab_run(
            "two-lans",
            [
                {"name": "server", "node": "server", "code": "submission", "run": ["python3", "server.py"],
                 "background": True, "ready": {"tcp": 7000}},
                {"name": "client", "node": "client", "code": ["client.py"], "run": ["python3", "client.py"]},
            ],
            submission="server.py",
        )
        run.passes("tcp-handshake", {"from": "client", "to": "server", "port": 7000})
        assert run.steps["client"].stdout == b"hello\\n"
        assert len([p for p in run.captures["client:eth0"].judged if p.dport == 53]) == 1

Steps and checks have the keys that they have in an exercise, and files lie beside the test, or in the folder named by
`--lab-submission` where they are handed in. Where labs cannot run, tests that need one are skipped, with the reason.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # nothing of it is needed by a test that uses none of the fixtures
    from lab.checks.base import Verdict
    from lab.evidence import Capture, Evidence, StepResult
    from lab.exercise import Exercise
    from lab.runtime.base import LiveLab, Runtime
    from lab.topology import Topology

_PLACEHOLDER = {"id": "ran", "check": "path", "via": []}  # an exercise has a check; a test asks for its own afterwards


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of this plugin."""
    group = parser.getgroup("lab", "networks of lab")
    group.addoption("--lab-runtime", metavar="NAME", help="bring labs up by netns or docker; LAB_RUNTIME by default")
    group.addoption("--lab-submission", metavar="DIR", help="where the files handed in lie; beside the test by default")


@pytest.fixture(scope="session")
def lab_runtime(pytestconfig: pytest.Config) -> Runtime:
    """The runtime that brings labs up; skips what needs one where none works."""
    from lab.errors import NotMeasuredError
    from lab.runtime import choose

    try:
        return choose(pytestconfig.getoption("lab_runtime"), None, lambda text: None)
    except NotMeasuredError as error:
        pytest.skip(f"labs cannot run here: {error.problems[0].what}")


@dataclass(frozen=True)
class Up:
    """A lab that is up; it ends with the test."""

    lab: LiveLab

    def run(self, node: str, *argv: str, stdin: bytes = b"", timeout: float = 10) -> subprocess.CompletedProcess[bytes]:
        """Run a command on a node as its administrator, to its end; raises TimeoutExpired after `timeout` seconds."""
        from lab.runtime.base import Program

        process = self.lab.start(Program(node, argv, "admin", stdin=stdin or None))
        if not self.lab.wait(lambda: process.exit_code is not None, timeout):
            raise subprocess.TimeoutExpired(argv, timeout)
        code = process.exit_code
        assert code is not None, "it has ended"
        return subprocess.CompletedProcess(argv, code, bytes(process.stdout.data), bytes(process.stderr.data))

    def state(self, node: str) -> Mapping[str, Any]:
        """Addresses, routes, neighbours, sockets and sysctls of a node, as its kernel has them."""
        found: Mapping[str, Any] = self.lab.state([node])[node]
        return found


@pytest.fixture
def lab_up(lab_runtime: Runtime, request: pytest.FixtureRequest) -> Iterator[Callable[[str], Up]]:
    """Bring a topology up: a ready-made one by its name, or a file by its path beside the test."""
    from lab.plan import make_plan

    labs: list[LiveLab] = []

    def up(topology: str) -> Up:
        plan = make_plan(_topology(topology, request.path.parent))
        labs.append(lab_runtime.up(plan, say=lambda text: None))
        return Up(labs[-1])

    yield up
    for each in labs:
        each.close()


@dataclass(frozen=True)
class Ran:
    """A run of steps and its evidence, kept in `folder`: lab trace and lab frame read it."""

    folder: Path
    evidence: Evidence
    written: Mapping[str, Any]

    @property
    def captures(self) -> Mapping[str, Capture]:
        """The captures by their points, such as client:eth0."""
        return self.evidence.captures

    @property
    def steps(self) -> Mapping[str, StepResult]:
        """How each step went."""
        return self.evidence.steps

    def judge(self, check: str, parameters: Mapping[str, Any]) -> Verdict:
        """The verdict of a check; raises LabError where its parameters are wrong."""
        asked = {**self.written, "checks": [{"id": "asked", "check": check, **parameters}]}
        exercise = _exercise(asked, self.evidence.exercise.topology, Path(self.evidence.exercise.folder))
        return exercise.checks[0].check.judge(replace(self.evidence, exercise=exercise, own=True))

    def passes(self, check: str, parameters: Mapping[str, Any]) -> Verdict:
        """Demand that a check passes; raises NotMeasuredError where the evidence cannot tell."""
        from lab.checks.base import Outcome
        from lab.errors import NotMeasuredError, Problem

        verdict = self.judge(check, parameters)
        if verdict.outcome is Outcome.NOT_MEASURED:
            raise NotMeasuredError([Problem(f"{check} was not measured: {verdict.seen}", str(self.folder))])
        if verdict.outcome is Outcome.FAILED:
            told = [f"expected: {verdict.expected}", f"seen: {verdict.seen}", f"rule: {verdict.rule}"]
            told += [f"cause: {verdict.cause.text}; look at {verdict.cause.look_at}"] if verdict.cause else []
            told += [f"lab frame {self.folder} {frame}" for frame in verdict.frames[:3]]
            pytest.fail(f"{check} failed\n" + "\n".join(told), pytrace=False)
        return verdict


@pytest.fixture
def lab_run(lab_runtime: Runtime, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Ran]:
    """Run steps on a fresh lab with every link captured: `lab_run(topology, steps, submission=…)`; see `Ran`.

    `submission` names the files that are handed in, `more` are further keys of an exercise, such as settle or faults.
    Raises LabError where something of it is wrong, NotMeasuredError where the lab came to grief.
    """
    from lab.errors import NotMeasuredError, Problem
    from lab.exercise import HandedIn
    from lab.exercise.submission import read_submission
    from lab.gather.rundir import load
    from lab.pipeline import run as run_exercise

    beside = request.path.parent

    def run(
        topology: str, steps: Sequence[Mapping[str, Any]], submission: str | Sequence[str] = (), **more: Any
    ) -> Ran:
        network = _topology(topology, beside)
        files = [submission] if isinstance(submission, str) else list(submission)
        first, second, *_ = [node.name for node in network.nodes] * 2
        placeholder = {**_PLACEHOLDER, "from": first, "to": second}
        written: dict[str, Any] = {"version": 1, "name": "test", "steps": list(steps), "checks": [placeholder], **more}
        if files:
            written["submission"] = {"files": files}
        exercise = _exercise(written, network, beside)
        given = request.config.getoption("lab_submission")
        handed_in = read_submission(exercise, Path(given) if given else beside) if files else HandedIn()
        folder = run_exercise(exercise, handed_in, lab_runtime, tmp_path / "runs", lambda text: None)
        evidence = load(folder, own=True)
        if lost := [gap for gap in evidence.gaps if gap.owner == "lab" and not gap.where]:
            raise NotMeasuredError([Problem(lost[0].what, str(folder))])
        return Ran(folder, replace(evidence, exercise=exercise), written)

    return run


def _topology(name: str, folder: Path) -> Topology:
    from lab.exercise.load import topology_path
    from lab.topology import load_topology

    return load_topology(topology_path(folder, name))


def _exercise(written: Mapping[str, Any], topology: Topology, folder: Path) -> Exercise:
    """An exercise of Python's data: JSON is YAML, so it is read as any other is."""
    from lab.exercise.load import parse_exercise
    from lab.grammar import beside

    files: dict[str, bytes] = {}
    text = json.dumps(written, ensure_ascii=True, indent=1)
    place = str(folder / "the steps and checks of a test, as YAML")
    return parse_exercise(text, place, lambda _: topology, read=beside(folder, files), files=files)

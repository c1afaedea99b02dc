"""What is tried of an exercise: its solution, nothing, programs that do nothing, the skeleton, all wrong hand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from lab import grammar as g
from lab.catalog import TOPOLOGY_FILE
from lab.errors import LabError, Problem
from lab.exercise import Exercise
from lab.exercise.submission import HandedIn, read_submission
from lab.plan import make_plan
from lab.topology import Topology, load_topology
from lab.yaml.text import parse_yaml, read_text

SOLUTION, EMPTY, IDLE, SKELETON, WRONG = "solution", "empty", "idle", "skeleton", "wrong"
EXPECT_FILE = "expect.yaml"
EXPECTATION = g.Struct(
    "an expectation",
    g.Key("fails", g.List(g.CheckId(), empty=False, single=True), "The checks that fail; all others pass", True),
    g.Key("cause", g.Text("a cause's kind such as wrong-port", pattern="[a-z][a-z0-9-]*"), "The root cause's kind"),
)


@dataclass(frozen=True)
class HandIn:
    """Something that is handed in for a try; `fails` and `cause` are what a wrong one is expected to show.

    "empty" has no file at all, "idle" every file that is asked for, with nothing in it. A wrong one may bring a network
    of its own, with a node that is configured wrongly.
    """

    name: str
    kind: Literal["solution", "empty", "idle", "skeleton", "wrong"]
    files: HandedIn
    fails: frozenset[str] = frozenset()
    cause: str = ""
    topology: Topology | None = None

    def meant(self, exercise: Exercise) -> Exercise:
        """The exercise as it is run with this hand-in."""
        return exercise if self.topology is None else replace(exercise, topology=self.topology)


def read_hand_ins(exercise: Exercise, folder: Path) -> tuple[HandIn, ...]:
    """The solution, nothing, programs that do nothing, the skeleton where there is one, and every wrong hand-in.

    `LabError` holds everything that is wrong with these folders and their expect.yaml.
    """
    if not exercise.submission.files and not exercise.submission.routes:
        hint = "submission: {files: [server.py]} names what students hand in; lab run EXERCISE runs it once"
        raise LabError("nothing is handed in for this exercise, so there is nothing to try", exercise.folder, hint)
    if not (folder / SOLUTION).is_dir():
        hint = "put a hand-in there that gets all points"
        raise LabError(f"this exercise has no {SOLUTION}/", str(folder), hint)
    found = [HandIn(SOLUTION, "solution", read_submission(exercise, folder / SOLUTION))]
    with TemporaryDirectory() as nothing:
        found.append(HandIn(EMPTY, "empty", read_submission(exercise, Path(nothing))))
    idle = {name: b"" for name in exercise.submission.files if not any(sign in name for sign in "*?[")}
    if idle:
        found.append(HandIn(IDLE, "idle", HandedIn(idle)))
    if (folder / SKELETON).is_dir():
        found.append(HandIn(SKELETON, "skeleton", read_submission(exercise, folder / SKELETON)))
    problems: list[Problem] = []
    for path in _wrong_folders(folder / WRONG, problems):
        try:
            fails, cause = _expectation(exercise, path)
            network = _network(exercise, path / TOPOLOGY_FILE)
        except LabError as error:
            problems += error.problems
            continue
        files = read_submission(exercise, path)
        if network is not None and not files.files:
            files = found[0].files  # the programs are right, and the network is what is wrong
        found.append(HandIn(f"{WRONG}/{path.name}", "wrong", files, fails, cause, network))
    if problems:
        raise LabError(problems)
    return tuple(found)


def _wrong_folders(folder: Path, problems: list[Problem]) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir():
            yield path
        elif not path.name.startswith("."):
            hint = f"one folder a mistake, such as {WRONG}/{path.stem}/{path.name}, and {EXPECT_FILE} beside it"
            problems.append(Problem(f"{WRONG}/ holds folders, and this is a file", str(path), hint))


def _expectation(exercise: Exercise, folder: Path) -> tuple[frozenset[str], str]:
    """Which checks a wrong hand-in must fail, and its root cause where that is told."""
    path, ids = folder / EXPECT_FILE, [graded.id for graded in exercise.checks]
    if not path.exists():
        hint = f"{EXPECT_FILE} says which checks must fail, such as fails: [{ids[-1]}]"
        raise LabError(f"this wrong hand-in has no {EXPECT_FILE}", str(folder), hint)
    root, problems = parse_yaml(read_text(path), str(path))
    record = g.Context(problems=problems, names={"check": ids})
    loaded = record.take(EXPECTATION, root)
    if problems:
        raise LabError(problems)
    assert loaded is not None, "no problem was reported"
    return frozenset(loaded.get("fails")), loaded.get("cause", "")


def _network(exercise: Exercise, path: Path) -> Topology | None:
    """The network that a wrong hand-in brings with it, if it does: the same one, but for how its nodes are set up."""
    if not path.exists():
        return None
    network = load_topology(path)
    if _wiring(network) != _wiring(exercise.topology):
        hint = "copy the exercise's topology, and add setup: or sysctls: to a node"
        raise LabError("this network has other nodes, networks or interfaces than the exercise's", str(path), hint)
    return network


def _wiring(topology: Topology) -> tuple[object, ...]:
    plan = make_plan(topology)
    return plan.networks, plan.interfaces, [(node.name, node.role) for node in plan.nodes]

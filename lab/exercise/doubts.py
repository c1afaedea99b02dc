"""What an exercise may say and its teacher hardly meant; pure."""

from __future__ import annotations

from collections.abc import Iterator

from lab.checks.base import Check
from lab.exercise.model import Exercise
from lab.exercise.submission import fits

_WITHOUT_STEPS = ("reach", "state", "python")  # checks that try something themselves, or ask the kernel
_OVER_LOOPBACK = ("reach",)  # it needs no capture


def doubts(exercise: Exercise) -> Iterator[str]:
    """Sentences about what is no mistake of the file, and yet can be none of the teacher's intentions."""
    roles = {node.name: node.role for node in exercise.topology.nodes}
    for graded in exercise.checks:
        for name in getattr(graded.check, "via", None) or ():
            if roles.get(name, "router") != "router":
                yield f"check {graded.id} demands a way via {name}, which is a {roles[name]} and passes nothing on"
    asked = exercise.submission
    for graded in exercise.checks:
        yield from (f"check {graded.id} can never pass: {why}" for why in _hopeless(exercise, graded.check))
        for name in graded.check.handed_in:
            if name not in (*asked.files, asked.routes) and not any(fits(name, wanted) for wanted in asked.files):
                yield f"check {graded.id} reads {name}, which is none of submission: files, so nobody can hand it in"
    if exercise.unverified:
        return
    if not exercise.steps and not any(graded.check.kind in _WITHOUT_STEPS for graded in exercise.checks):
        yield "there are no steps, so nothing sends the packets that its checks look for"
    read = {name for graded in exercise.checks for name in graded.check.handed_in}
    if asked.files and not exercise.runs_submission and not read.intersection(asked.files):
        yield f"no step has code: submission, and no check reads it, so {', '.join(asked.files)} is never used"


def _hopeless(exercise: Exercise, check: Check) -> Iterator[str]:
    """Why no program at all can pass a check, where that is certain."""
    source, to = (getattr(check, name, None) for name in ("source", "to"))
    raw = any(step.privilege for step in exercise.steps)  # it may put on a link whatever it likes
    if source is not None and source == to and not raw and check.kind not in _OVER_LOOPBACK:
        yield f"what {source} sends to itself is on no link, so it is never captured"
    node = getattr(check, "node", None)
    if node is not None and node == getattr(check, "next_hop", None):
        yield f"{node} is not its own next hop, and never asks for its own MAC"
    yield from getattr(check, "doubts", tuple)()

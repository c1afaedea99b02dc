"""What the evidence lacks, and what that does to a verdict."""

from __future__ import annotations

from collections.abc import Iterable

from lab.checks import causes
from lab.checks.base import Outcome, Verdict
from lab.evidence import Evidence, Gap, calls_of

_MISSING_CAPTURE = "there is no capture of it"


def left_out(evidence: Evidence, point: str) -> bool:
    """Whether the exercise chose not to capture there."""
    chosen = evidence.exercise.capture
    return chosen is not None and point not in chosen and point not in evidence.captures


def gaps(evidence: Evidence, points: Iterable[str], nodes: Iterable[str] = (), steps: Iterable[str] = ()) -> list[Gap]:
    """The gaps that touch these capture points or steps, and those of the whole run; of these nodes' steps only ours.

    What a program does to its own output does not spoil the packets. A capture point that is neither there nor
    left out by choice is a gap of ours, and a gap at an unknown place may be anywhere.
    """
    points = list(dict.fromkeys(points))
    nodes = set(nodes)
    names = {*evidence.steps, *(step.name for step in evidence.exercise.steps)}
    known = {*evidence.plan.points, *names, *map(calls_of, names)}
    places = {*points, *steps, *(gap.where for gap in evidence.gaps if gap.where not in known)}
    on_nodes = {step.name for step in evidence.exercise.steps if step.node in nodes}
    on_nodes |= {name for name, result in evidence.steps.items() if result.node in nodes}
    found = [gap for gap in evidence.gaps if gap.where in places or (gap.where in on_nodes and gap.owner == "lab")]
    found += [
        Gap(_MISSING_CAPTURE, point, "lab")
        for point in points
        if point not in evidence.captures and not left_out(evidence, point)
    ]
    found += [
        Gap(f"it could not be run in a sandbox {f'({result.message})' if result.message else ''}".rstrip(), name, "lab")
        for name, result in evidence.steps.items()
        if name in places | on_nodes and result.ended == "not sandboxed"
    ]
    return found


def unusable(found: list[Gap], rule: str, expected: str) -> Verdict | None:
    """The verdict that gaps force: the submission's own fail it, ours leave it not measured; None without a gap."""
    for gap in found:
        if gap.owner == "submission":
            seen = f"{gap.where}: {gap.what}" if gap.where else gap.what
            return Verdict(Outcome.FAILED, rule, expected, seen, cause=causes.flooded(seen))
    if found:
        places = "; ".join(dict.fromkeys(f"{gap.where or 'the run'}: {gap.what}" for gap in found))
        return Verdict(Outcome.NOT_MEASURED, rule, expected, f"the evidence has a gap ({places})")
    return None

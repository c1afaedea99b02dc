"""What the shell can complete: names that exist right now."""

from __future__ import annotations

from lab.errors import LabError


def names(kind: str) -> list[str]:
    """Labs, nodes, capture points, exercises or topologies; nothing where they cannot be read."""
    from lab.catalog import exercises, topologies

    try:
        if kind == "exercises":
            return [each.name for each in exercises()]
        if kind == "topologies":
            return [each.name for each in topologies()]
        return _live(kind)
    except LabError:
        return []


def _live(kind: str) -> list[str]:
    from lab.runtime import RUNTIMES

    found: list[str] = []
    for make in RUNTIMES.values():
        runtime = make()
        labs = runtime.labs()
        found += [info.name for info in labs]
        if kind != "labs" and len(labs) == 1:
            lab = runtime.open(labs[0].name)
            found += list(lab.plan.points if kind == "points" else lab.plan.by_name)
            lab.close()
    return found

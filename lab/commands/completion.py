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
    from lab.commands.labs import each_lab

    labs = list(each_lab(None, tell=False))
    found = [info.name for _, info in labs]
    if kind != "labs" and len(labs) == 1:
        owner, info = labs[0]
        lab = owner.open(info.name)
        found += list(lab.plan.points if kind == "points" else lab.plan.by_name)
        lab.close()
    return found

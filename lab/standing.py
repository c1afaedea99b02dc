"""A lab that was configured by hand: whether an exercise can be judged on it."""

from __future__ import annotations

from dataclasses import replace

from lab.errors import LabError, Problem
from lab.plan import Plan


def refuse_other_network(plan: Plan, standing: Plan, name: str) -> None:
    """Raise `LabError` with everything in which lab `name`, up by the plan `standing`, is another network than `plan`.

    Nodes, their roles, and each interface's network and MAC must be equal, for verdicts speak of these. Addresses and
    routes are what was configured, and what the exercise judges.
    """
    problems: list[Problem] = []
    for node in [*plan.by_name, *(node for node in standing.by_name if node not in plan.by_name)]:
        if node not in standing.by_name:
            problems.append(Problem(f"lab {name} has no node {node}"))
        elif node not in plan.by_name:
            problems.append(Problem(f"lab {name} has a node {node}, which the exercise has not"))
        elif plan.by_name[node].role != standing.by_name[node].role:
            roles = f"{standing.by_name[node].role} in lab {name}, and a {plan.by_name[node].role} in the exercise"
            problems.append(Problem(f"{node} is a {roles}"))
    for point in dict.fromkeys((*plan.points, *standing.points)):
        wanted, found = plan.points.get(point), standing.points.get(point)
        if point.partition(":")[0] not in plan.by_name or point.partition(":")[0] not in standing.by_name:
            continue
        if wanted is None or found is None:
            where = f"lab {name}, and not in the exercise" if found else f"the exercise, and not in lab {name}"
            problems.append(Problem(f"there is an interface {point} in {where}"))
        elif wanted.network != found.network:
            what = f"{point} is on {found.network} in lab {name}, and on {wanted.network} in the exercise"
            problems.append(Problem(what))
        elif wanted.mac != found.mac:
            what = f"{point} has the MAC {found.mac} in lab {name}, and {wanted.mac} in the exercise"
            problems.append(Problem(what))
    if problems:
        hint = f"lab {name} was brought up from another topology: bring the exercise's up (lab up), and configure that"
        raise LabError([*problems[:-1], replace(problems[-1], hint=hint)])

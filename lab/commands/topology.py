"""Files looked at without bringing anything up: validate, plan, schema, exercises."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from lab import console
from lab.catalog import EXERCISE_FILE, TOPOLOGY_FILE, exercises, find_exercise, find_topology, topologies
from lab.errors import LabError, Problem
from lab.plan import Plan, make_plan, plan_to_json
from lab.topology import load_topology


def topology_file(given: str) -> Path:
    """The file that a path, a folder or a ready-made name means."""
    path = Path(given)
    if path.is_dir() and (path / TOPOLOGY_FILE).is_file():
        return path / TOPOLOGY_FILE
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return path
    return find_topology(given)


def validate(files: Sequence[str]) -> None:
    """Check topology and exercise files; raises LabError with the problems of all of them."""
    problems: list[Problem] = []
    for given in files:
        try:
            print(f"{given}: {_validate(given)}")
        except LabError as error:
            problems.extend(error.problems)
    if problems:
        raise LabError(problems)


def _validate(given: str) -> str:
    path = Path(given)
    if path.is_dir():
        path = path / (EXERCISE_FILE if (path / EXERCISE_FILE).is_file() else TOPOLOGY_FILE)
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        known = {each.name.partition("/")[2] for each in exercises()} | {each.name for each in exercises()}
        path = find_exercise(given) if given in known else find_topology(given)
    if _is_exercise(path):
        from lab.exercise import load_exercise
        from lab.exercise.doubts import doubts

        exercise = load_exercise(path)
        for doubt in doubts(exercise):
            print(f"{given}: note: {doubt}", file=sys.stderr)
        points = f"{sum(graded.points for graded in exercise.checks):g}"
        return f"exercise {exercise.name}: {len(exercise.steps)} steps, {len(exercise.checks)} checks, {points} points"
    topology = load_topology(path)
    make_plan(topology)
    return f"topology {topology.name}: {len(topology.nodes)} nodes, {len(topology.networks)} networks"


def _is_exercise(path: Path) -> bool:
    """Whether a file is meant as an exercise: by its name, else by the keys that only an exercise has."""
    if path.name in (EXERCISE_FILE, TOPOLOGY_FILE) or not path.is_file():
        return path.name == EXERCISE_FILE
    lines = path.read_bytes().splitlines()
    return any(line.startswith((b"checks:", b"steps:", b"submission:")) for line in lines)


def plan(given: str, as_json: bool) -> None:
    """Print the resolved plan of a topology."""
    resolved = make_plan(load_topology(topology_file(given)))
    if as_json:
        console.show_json(plan_to_json(resolved))
    else:
        console.show(plan_lines(resolved))


def plan_lines(resolved: Plan) -> list[tuple[str, str]]:
    """A plan as tables: networks, interfaces, routes."""
    networks = [(each.name, ", ".join(map(str, each.subnets)), each.mtu, each.link) for each in resolved.networks]
    linked = 4 if any(not each.link.plain for each in resolved.networks) else 3
    lines = console.table(("NETWORK", "SUBNET", "MTU", "LINK")[:linked], [row[:linked] for row in networks])
    rows = [
        (
            node.name,
            node.role,
            interface.name,
            interface.network,
            ", ".join(map(str, interface.addresses)),
            interface.mac,
        )
        for node in resolved.nodes
        for interface in node.interfaces
    ]
    lines += [("", ""), *console.table(("NODE", "ROLE", "INTERFACE", "NETWORK", "ADDRESS", "MAC"), rows)]
    routes = [(node.name, route.to, route.via, route.interface) for node in resolved.nodes for route in node.routes]
    if routes:
        lines += [("", ""), *console.table(("NODE", "ROUTE TO", "VIA", "INTERFACE"), routes)]
    commands = [(node.name, shlex.join(command)) for node in resolved.nodes for command in node.setup]
    if commands:
        lines += [("", ""), *console.table(("NODE", "SET UP BY"), commands)]
    asked = [(node.name, node.nameserver or "nobody") for node in resolved.nodes if resolved.resolver]
    if asked:
        title = f"Names by DNS: {resolved.resolver} answers"
        lines += [("", ""), ("", title), *console.table(("NODE", "ASKS"), asked)]
    return lines


def schema(kind: str) -> None:
    """Print the JSON Schema of a topology, an exercise or a report."""
    from lab.schema import schema as schema_of

    console.show_json(schema_of(kind))


def list_ready_made(as_json: bool) -> None:
    """List the ready-made topologies and exercises."""
    if as_json:
        told = {"topologies": topologies(), "exercises": exercises()}
        console.show_json(
            {
                kind: [{"name": e.name, "title": e.title, "path": str(e.path)} for e in each]
                for kind, each in told.items()
            }
        )
        return
    console.show(console.table(("EXERCISE", "WHAT IT IS"), [(each.name, each.title) for each in exercises()]))
    print()
    console.show(console.table(("TOPOLOGY", "WHAT IT IS"), [(each.name, each.title) for each in topologies()]))

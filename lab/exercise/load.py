"""YAML text becomes an exercise, or all its problems at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from lab.catalog import EXERCISE_FILE, TOPOLOGY_FILE, find_topology
from lab.errors import LabError, Problem, raise_problems
from lab.exercise.grammar import VALUES, exercise_grammar
from lab.exercise.model import Exercise
from lab.exercise.rules import build_exercise
from lab.grammar import NOBODY, Context, Drawn, Refused, as_value, beside, draw_all, nearest
from lab.topology import Topology, load_topology, with_values
from lab.yaml.text import ListNode, MapNode, Node, Scalar, parse_yaml, read_text, show


def load_exercise(
    path: Path,
    *,
    topology: Path | None = None,
    values: Mapping[str, str | int] | None = None,
    checks: Mapping[str, type] | None = None,
    draw: str | None = None,
    variant: bytes = NOBODY,
) -> Exercise:
    """The exercise in a file, or in a folder's exercise.yaml, with every file that it names.

    `topology` stands in for the one that the file names, `values` for some of its values, `checks` for the kinds of
    checks that exist; what is drawn in each run depends on `draw`, and is its example without it, what is drawn for
    each student depends on the key `variant`. `LabError` holds every problem of the file and of its topology, in the
    order of their places.
    """
    path = path / EXERCISE_FILE if path.is_dir() else path
    files: dict[str, bytes] = {}

    def find(name: str | None) -> Topology:
        return load_topology(topology or topology_path(path.parent, name))

    return parse_exercise(
        read_text(path),
        str(path),
        find,
        read=beside(path.parent, files),
        files=files,
        values=values,
        checks=checks,
        draw=draw,
        variant=variant,
    )


def parse_exercise(
    text: str,
    file: str,
    find_topology: Callable[[str | None], Topology],
    *,
    read: Callable[[str], bytes] | None = None,
    files: Mapping[str, bytes] | None = None,
    values: Mapping[str, str | int] | None = None,
    checks: Mapping[str, type] | None = None,
    draw: str | None = None,
    variant: bytes = NOBODY,
) -> Exercise:
    """The exercise in a text; `find_topology` gets what stands under `topology:`, `read` fills `files`."""
    if checks is None:
        from lab.checks import CHECKS

        checks = CHECKS
    root, problems = parse_yaml(text, file)
    context = Context(problems=problems, read=read, seed="".join(_texts([root], "name")), draw=draw)
    node = root.get("values")
    entries = context.take(VALUES, node) if node else None
    written = {each.name: each.value for each in entries or () if each.value is not None}
    individual = {name: value for name, value in written.items() if isinstance(value, Drawn)}
    constant = {name: value for name, value in written.items() if not isinstance(value, Drawn)}
    try:
        own = draw_all(individual, variant)
    except Refused as refused:
        context.report(node or root, refused.what, refused.hint)
        own = dict.fromkeys(individual, 0)
    context.values = _overridden({name: (constant | own)[name] for name in written}, values or {}, context)
    topology = _topology(root, find_topology, context)
    steps, listed = _maps(root.get("steps")), _maps(root.get("checks"))
    context.names = {
        "step": [("".join(_texts([each], "name")) or f"step{number}") for number, each in enumerate(steps, 1)],
        "check": _texts(listed, "id"),
        "fault": _texts(_maps(root.get("faults")), "id"),
    }
    if topology is not None:
        points = [f"{each.name}:{interface.name}" for each in topology.nodes for interface in each.interfaces]
        networks = [each.name for each in topology.networks]
        nodes = [each.name for each in topology.nodes]
        context.names |= {"node": nodes, "point": points, "network": networks, "cable": [*networks, *points]}
    record = context.take(exercise_grammar(checks), root)
    assert record is not None, "a mapping makes a record"
    folder = str(Path(file).parent)
    nowhere = Topology("", (), ())  # its problems are among the others, so the exercise is not returned
    items = node.items if isinstance(node, MapNode) else ()
    drawn = tuple(name.text for name, value in items if isinstance(value, MapNode))
    exercise = build_exercise(
        record, topology or nowhere, checks, context, files={} if files is None else files, source=text, folder=folder,
        drawn=drawn, individual=tuple(individual),
    )  # fmt: skip
    raise_problems(context.problems)
    return exercise


def _maps(node: Node | None) -> list[MapNode | None]:
    """The items of a list, None for those that are no mappings."""
    items = node.items if isinstance(node, ListNode) else ()
    return [each if isinstance(each, MapNode) else None for each in items]


def _texts(nodes: Iterable[MapNode | None], key: str) -> list[str]:
    """The texts that stand under a key of each mapping."""
    found = [node.get(key) for node in nodes if node]
    return [node.text for node in found if isinstance(node, Scalar)]


def _overridden(
    written: Mapping[str, str | int], given: Mapping[str, str | int], context: Context
) -> dict[str, str | int]:
    """The file's values with those from outside; a number stays a number."""
    values = dict(written)
    for name, value in given.items():
        if name not in written:
            context.problems.append(Problem(f"there is no value {show(name)}", "", nearest(name, written, "values")))
        elif isinstance(written[name], int) and not isinstance(as_value(str(value)), int):
            context.problems.append(Problem(f"value {name} must be a whole number, not {show(str(value))}"))
        else:
            values[name] = as_value(str(value)) if isinstance(written[name], int) else value
    return values


def _topology(root: MapNode, find: Callable[[str | None], Topology], context: Context) -> Topology | None:
    """The exercise's topology; None where it has problems, which then stand among the exercise's."""
    node = root.get("topology")
    if node is not None and (not isinstance(node, Scalar) or node.missing):
        return None  # the grammar says so
    try:
        return with_values(find(node.text if node else None), context.values or {})
    except LabError as error:
        place = node.place if node else root.place
        context.problems += [replace(each, where=each.where or place) for each in error.problems]
        return None


def topology_path(folder: Path, name: str | None) -> Path:
    """Where an exercise's topology lies: beside it or above it, at a path, or among the ready-made ones."""
    if name is None:
        for path in (folder / TOPOLOGY_FILE, folder.parent / TOPOLOGY_FILE):
            if path.exists():
                return path
        hint = f"write topology: NAME, or put {TOPOLOGY_FILE} into this folder or the one above"
        raise LabError("this exercise has no topology", hint=hint)
    if "/" in name or name.endswith((".yaml", ".yml")):
        path = folder / name
        path = path / TOPOLOGY_FILE if path.is_dir() else path
        if not path.exists():
            raise LabError(f"there is no file {path}", hint="a path begins at this file's folder")
        return path
    return find_topology(name)

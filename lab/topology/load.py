"""YAML text becomes a topology, or all its problems at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from lab import grammar as g
from lab.errors import raise_problems
from lab.topology.grammar import TOPOLOGY, VALUES
from lab.topology.model import Topology
from lab.topology.rules import build_topology
from lab.yaml.text import MapNode, parse_yaml, read_text, show


def load_topology(path: Path) -> Topology:
    """The topology in a file; `LabError` holds every problem of the file, in the order of their places."""
    folder, seen = path.parent, dict[str, bytes]()
    return parse_topology(read_text(path), str(path), g.beside(folder, seen), seen)


def with_values(topology: Topology, values: Mapping[str, str | int]) -> Topology:
    """The topology with other values, as far as it has values of these names; `LabError` as for a file."""
    own = {name: value for name, value in values.items() if name in topology.values}
    if all(topology.values[name] == value for name, value in own.items()):
        return topology
    beside, seen = dict(topology.beside), dict[str, bytes]()

    def read(name: str) -> bytes:
        if name not in beside:
            raise g.Refused(f"there is no file {show(name)}")
        seen[name] = beside[name]
        return seen[name]

    return parse_topology(topology.source, f"topology {topology.name}", read, seen, own)


def parse_topology(
    text: str,
    file: str,
    read: Callable[[str], bytes] | None = None,
    seen: dict[str, bytes] | None = None,
    values: Mapping[str, str | int] | None = None,
) -> Topology:
    """The topology in a text; `file` stands in messages, `read` gives the files that it names and fills `seen`.

    `values` stand in for some of its own. In a file without `values:` nothing is replaced.
    """
    root, problems = parse_yaml(text, file)
    context = g.Context(problems=problems, read=read)
    if node := root.get("values"):
        entries = context.take(VALUES, node) or ()
        written = {each.name: each.value for each in entries if isinstance(each.value, (str, int))}
        context.values = {name: (values or {}).get(name, value) for name, value in written.items()}
    named = {kind: root.get(f"{kind}s") for kind in ("network", "node")}
    context.names = {
        kind: [name.text for name, _ in node.items] for kind, node in named.items() if isinstance(node, MapNode)
    }
    record = context.take(TOPOLOGY, root)
    topology = build_topology(record, context, text, {} if seen is None else seen) if record else None
    raise_problems(context.problems)
    assert topology is not None, "no problem was reported, so there is a topology"
    return topology

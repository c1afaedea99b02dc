"""YAML text becomes a topology, or all its problems at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab import grammar as g
from lab.errors import raise_problems
from lab.topology.grammar import TOPOLOGY
from lab.topology.model import Topology
from lab.topology.rules import build_topology
from lab.yamltext import MapNode, parse_yaml, read_text


def load_topology(path: Path) -> Topology:
    """The topology in a file; `LabError` holds every problem of the file, in the order of their places."""
    folder, seen = path.parent, dict[str, bytes]()
    return parse_topology(read_text(path), str(path), g.beside(folder, seen), seen)


def parse_topology(
    text: str, file: str, read: Callable[[str], bytes] | None = None, seen: dict[str, bytes] | None = None
) -> Topology:
    """The topology in a text; `file` stands in messages, `read` gives the files that it names and fills `seen`."""
    root, problems = parse_yaml(text, file)
    context = g.Context(problems=problems, read=read)
    named = {kind: root.get(f"{kind}s") for kind in ("network", "node")}
    context.names = {
        kind: [name.text for name, _ in node.items] for kind, node in named.items() if isinstance(node, MapNode)
    }
    record = context.take(TOPOLOGY, root)
    topology = build_topology(record, context, text, {} if seen is None else seen) if record else None
    raise_problems(context.problems)
    assert topology is not None, "no problem was reported, so there is a topology"
    return topology

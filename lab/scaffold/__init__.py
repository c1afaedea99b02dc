"""A new exercise that works as it is, for its teacher to change: the files below `files/`, fitted to a topology."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template

from lab.errors import LabError
from lab.grammar import Context, Name, Refused
from lab.plan import Plan, PlannedNode, expected_path, make_plan
from lab.schema import schema
from lab.topology import Address, Topology, load_topology
from lab.yaml.text import show

_MODELINE = re.compile(r"^# yaml-language-server:.*\n", re.MULTILINE)
_ROUTE = """\
  - {{id: route, check: path, from: {client}, to: {server}, via: [{via}]}}

"""


class _Template(Template):
    """Text in which `@name` is replaced; `$` and `${name}` are the exercise's own."""

    delimiter = "@"
    idpattern = "(?a:[a-z]+)"


def write_exercise(folder: Path, topology: Path) -> list[str]:
    """Write a new exercise on a topology into a folder that does not exist yet; the names of its files.

    Raises `LabError` where the folder is taken, its name cannot be an exercise's, or the topology has no two nodes
    besides its routers.
    """
    name = _name(folder)
    if folder.exists() or folder.is_symlink():
        raise LabError("there is something of this name already", str(folder), "choose another name, or remove it")
    files = exercise_files(name, str(folder), load_topology(topology))
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return sorted(files)


def exercise_files(name: str, folder: str, topology: Topology) -> dict[str, bytes]:
    """The files of a new exercise by their path; `folder` is what comments call it."""
    plan = make_plan(topology)
    client, server = choose_nodes(plan)
    words = {
        "name": name,
        "folder": folder,
        "client": client.name,
        "server": server.name,
        "interface": client.interfaces[0].name,
        "route": _route(plan, client, server),
    }
    templates = Path(__file__).parent / "files"
    files = {path.relative_to(templates).as_posix(): path for path in templates.rglob("*") if path.is_file()}
    made = {
        each: path.read_bytes() if path.suffix == ".py" else _Template(path.read_text()).substitute(words).encode()
        for each, path in files.items()
        if "__pycache__" not in each
    }
    modeline = "# yaml-language-server: $schema=schema/topology.json\n"
    made["topology.yaml"] = (modeline + _MODELINE.sub("", topology.source)).encode()
    made |= {f"schema/{kind}.json": json.dumps(schema(kind), indent=1).encode() for kind in ("topology", "exercise")}
    return made | dict(topology.beside)


def choose_nodes(plan: Plan) -> tuple[PlannedNode, PlannedNode]:
    """Who is client and who is server: by their roles, else the first and the last that is no router.

    Raises `LabError` where there are no two such nodes with IPv4, which the programs speak, or no way between them.
    """
    ends = [node for node in plan.nodes if node.role != "router" and _address(node)]
    client = next((node for node in ends if node.role == "client"), None) or next(
        (node for node in ends if node.role != "server"), None
    )
    others = [node for node in reversed(ends) if node is not client]
    server = next((node for node in others if node.role == "server"), None) or next(iter(others), None)
    if client is None or server is None:
        hint = "an exercise needs a client and a server; lab exercises lists ready-made topologies"
        raise LabError(f"topology {plan.name} has no two nodes with IPv4 besides its routers", hint=hint)
    for start, end in ((client, server), (server, client)):
        if _way(plan, start, end) is None:
            hint = "routing: auto plans the routes; with manual ones each direction needs its own"
            raise LabError(f"topology {plan.name} has no way from {start.name} to {end.name}", hint=hint)
    return client, server


def _address(node: PlannedNode) -> Address | None:
    """The first IPv4 address of a node."""
    own = (each.ip for interface in node.interfaces for each in interface.addresses)
    return next((address for address in own if address.version == 4), None)


def _way(plan: Plan, start: PlannedNode, end: PlannedNode) -> list[str] | None:
    """The routers on the way; None where there is no way."""
    address = _address(end)
    entered = expected_path(plan, start.name, address) if address else None
    return None if entered is None else [interface.node for interface in entered[:-1]]


def _route(plan: Plan, client: PlannedNode, server: PlannedNode) -> str:
    """A check of the way to the server, where routers are on it."""
    via = _way(plan, client, server)
    return _ROUTE.format(client=client.name, server=server.name, via=", ".join(via)) if via else ""


def _name(folder: Path) -> str:
    try:
        return Name("an exercise's name").parse(folder.name, Context())
    except Refused as refused:
        raise LabError(refused.what, show(str(folder)), refused.hint) from None

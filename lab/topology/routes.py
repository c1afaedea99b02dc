"""Routes that a person wrote: in a topology's `routes:`, or handed in by a student in the same grammar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lab.errors import LabError, Place, Problem, in_order
from lab.grammar import At, Context, Entry, Record
from lab.topology.addresses import Addresses, assign_addresses
from lab.topology.grammar import ROUTES
from lab.topology.model import Address, Node, Prefix, Route, Topology
from lab.yaml.text import parse_yaml


def apply_routes(topology: Topology, text: str, file: str) -> tuple[Topology, tuple[Problem, ...]]:
    """The topology with the routes of a handed-in file, and everything that is wrong with that file.

    A route to the same prefix replaces the topology's own. Routes that a kernel would refuse are left out; a next
    hop that nobody has is kept, because packets then really go there and find no answer.
    """
    try:
        root, problems = parse_yaml(text, file)
    except LabError as error:
        return topology, error.problems
    context = Context(problems=problems, names={"node": [node.name for node in topology.nodes]})
    entries = context.take(ROUTES, root) or ()
    routes = read_routes(entries, topology, assign_addresses(topology), context)
    written = {(route.node, route.to) for route in routes}
    kept = tuple(route for route in topology.routes if (route.node, route.to) not in written)
    return replace(topology, routes=(*kept, *routes)), in_order(context.problems)


def read_routes(
    entries: Sequence[Entry[tuple[Record, ...]]], topology: Topology, addresses: Addresses | None, context: Context
) -> tuple[Route, ...]:
    """The routes that a kernel would take; what is wrong with any of them is reported.

    `addresses` are those of the plan, None where the topology itself is broken: who has a next hop is then unknown.
    """
    nodes = {node.name: node for node in topology.nodes}
    owners = {address.ip: point for point, each in (addresses or {}).items() for address in each}
    routes: list[Route] = []
    for entry in entries:
        if entry.name not in nodes:
            continue
        connected = _connected(nodes[entry.name], topology, addresses)
        taken: dict[Prefix, Place] = {}
        for record in entry.value or ():
            to: At[Prefix] | None = record.get("to")
            via: At[Address] | None = record.get("via")
            fits = True
            if to and to.value in taken:
                line = f"the first one is in line {taken[to.value].line}"
                context.report(to.place, f"{entry.name} has two routes to {to.value}", line)
                fits = False
            elif to:
                taken[to.value] = to.place
                if point := connected.get(to.value):
                    context.report(to.place, f"{to.value} is connected to {entry.name} by {point}", "it needs no route")
                    fits = False
            if to and via and to.value.version != via.value.version:
                what = f"{via.value} is IPv{via.value.version}, and {to.value} is IPv{to.value.version}"
                context.report(via.place, what, "a next hop is of its prefix's family")
                fits = False
            elif via:
                fits &= _next_hop(entry.name, via, connected, owners if addresses else None, context)
            if to and via and fits:
                routes.append(Route(entry.name, to.value, via.value))
    return tuple(routes)


def _connected(node: Node, topology: Topology, addresses: Addresses | None) -> dict[Prefix, str]:
    """The prefixes on a node's segments, each with its interface."""
    if addresses is not None:
        return {
            address.network: interface.name
            for interface in node.interfaces
            for address in addresses[node.name, interface.name]
        }
    networks = {network.name: network for network in topology.networks}
    return {subnet: interface.name for interface in node.interfaces for subnet in networks[interface.network].subnets}


def _next_hop(
    node: str,
    via: At[Address],
    connected: Mapping[Prefix, str],
    owners: Mapping[Address, tuple[str, str]] | None,
    context: Context,
) -> bool:
    """Whether a kernel would take this next hop."""
    if not any(via.value in prefix for prefix in connected):
        there = ", ".join(str(prefix) for prefix in connected) or "nothing"
        what = f"next hop {via.value} is on no network of {node}"
        context.report(via.place, what, f"{node} is connected to {there}")
        return False
    if owners is None:
        return True
    owner = owners.get(via.value)
    if owner is None:
        context.report(via.place, f"no interface has the address {via.value}", "a next hop is a neighbour's address")
    elif owner[0] == node:
        what = f"next hop {via.value} is {node}'s own address"
        context.report(via.place, what, "a next hop is a neighbour's address")
        return False
    return True

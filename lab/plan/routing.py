"""Which routes nodes have: routers know every prefix by the fewest hops, hosts their segment's first router."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from lab.topology.addresses import Addresses
from lab.topology.model import Address, Prefix, Route, Topology

DEFAULTS: tuple[Prefix, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


class Hop(NamedTuple):
    """A way to a prefix: the next hop's address, and the own interface on its segment."""

    to: Prefix
    via: Address
    interface: str


class _Port(NamedTuple):
    """One address of a node on a prefix."""

    node: str
    interface: str
    address: Address


def planned_routes(topology: Topology, addresses: Addresses) -> dict[str, tuple[Hop, ...]]:
    """The routes of each node through gateways: planned ones where `routing` is auto, then a person's own."""
    prefixes = [subnet for network in topology.networks for subnet in network.subnets]
    number = {prefix: index for index, prefix in enumerate(prefixes)}
    ports: list[list[_Port]] = [[] for _ in prefixes]  # by the prefix's number
    for node in topology.nodes:
        for interface in node.interfaces:
            for address in addresses[node.name, interface.name]:
                ports[number[address.network]].append(_Port(node.name, interface.name, address.ip))
    routes: dict[str, list[Hop]] = {node.name: [] for node in topology.nodes}
    if topology.routing == "auto":
        routers = {node.name: rank for rank, node in enumerate(topology.nodes) if node.role == "router"}
        gateways = [[port for port in members if port.node in routers] for members in ports]
        _routers(prefixes, gateways, routers, routes)
        _hosts(topology, addresses, number, gateways, routes)
    for node in topology.nodes:
        if own := {route.to: _hop(route, addresses) for route in topology.routes if route.node == node.name}:
            kept = [own.pop(hop.to, hop) for hop in routes[node.name]]
            routes[node.name] = [*kept, *own.values()]
    return {name: tuple(hops) for name, hops in routes.items()}


def _hop(route: Route, addresses: Addresses) -> Hop:
    """A person's route with the interface on whose segment its next hop is; checked before that there is one."""
    own = [(name, several) for (node, name), several in addresses.items() if node == route.node]
    interface = next(name for name, several in own if any(route.via in each.network for each in several))
    return Hop(route.to, route.via, interface)


def _routers(
    prefixes: list[Prefix], gateways: list[list[_Port]], rank: dict[str, int], routes: dict[str, list[Hop]]
) -> None:
    """Breadth first from each prefix outwards, so that every router gets a next hop that is one hop nearer.

    Prefixes are handled by their numbers: hashing them would take most of the time in a topology of hundreds.
    """
    attached: dict[str, list[int]] = defaultdict(list)
    for index, members in enumerate(gateways):
        for port in members:
            attached[port.node].append(index)
    for target, to in enumerate(prefixes):
        ring = sorted({port.node for port in gateways[target]}, key=rank.__getitem__)
        reached = set(ring)
        crossed = {target}
        while ring:
            found: list[str] = []
            for nearer in ring:  # in the order of the file: the first one on a segment is everybody's next hop there
                for index in attached[nearer]:
                    if index in crossed or prefixes[index].version != to.version:
                        continue
                    crossed.add(index)
                    via = next(port.address for port in gateways[index] if port.node == nearer)
                    for port in gateways[index]:
                        if port.node not in reached:
                            reached.add(port.node)
                            found.append(port.node)
                            routes[port.node].append(Hop(to, via, port.interface))
            ring = sorted(found, key=rank.__getitem__)


def _hosts(
    topology: Topology,
    addresses: Addresses,
    number: dict[Prefix, int],
    gateways: list[list[_Port]],
    routes: dict[str, list[Hop]],
) -> None:
    """A default route of each family, by the first interface on whose segment there is a router."""
    for node in topology.nodes:
        if node.role == "router":
            continue
        found: dict[int, Hop] = {}
        for interface in node.interfaces:
            for address in addresses[node.name, interface.name]:
                members = gateways[number[address.network]]
                if members and address.version not in found:
                    default = DEFAULTS[address.version == 6]
                    found[address.version] = Hop(default, members[0].address, interface.name)
        routes[node.name] += found.values()

"""Which routes nodes have: routers know every prefix by the fewest hops, hosts their segment's first router."""

from __future__ import annotations

from collections import defaultdict
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from lab.addresses import Addresses
from lab.topology import Address, Prefix, Topology

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
    ports: dict[Prefix, list[_Port]] = defaultdict(list)
    for node in topology.nodes:
        for interface in node.interfaces:
            for address in addresses[node.name, interface.name]:
                ports[address.network].append(_Port(node.name, interface.name, address.ip))
    routes: dict[str, dict[Prefix, Hop]] = {node.name: {} for node in topology.nodes}
    if topology.routing == "auto":
        _routers(topology, ports, routes)
        _hosts(topology, addresses, ports, routes)
    for chosen in topology.routes:
        interface = next(
            port.interface
            for prefix, members in ports.items()
            if chosen.via in prefix
            for port in members
            if port.node == chosen.node
        )
        routes[chosen.node][chosen.to] = Hop(chosen.to, chosen.via, interface)
    return {name: tuple(each.values()) for name, each in routes.items()}


def _routers(topology: Topology, ports: dict[Prefix, list[_Port]], routes: dict[str, dict[Prefix, Hop]]) -> None:
    """Breadth first from each prefix outwards, so that every router gets a next hop that is one hop nearer."""
    routers = {node.name for node in topology.nodes if node.role == "router"}
    rank = {node.name: number for number, node in enumerate(topology.nodes)}
    segments = {prefix: [port for port in members if port.node in routers] for prefix, members in ports.items()}
    prefixes_of: dict[str, list[Prefix]] = defaultdict(list)
    for prefix, members in segments.items():
        for port in members:
            prefixes_of[port.node].append(prefix)
    order = [subnet for network in topology.networks for subnet in network.subnets]
    for target in order:
        ring = sorted({port.node for port in segments.get(target, ())}, key=rank.__getitem__)
        reached = set(ring)
        done = {target}
        while ring:
            found: list[str] = []
            for nearer in ring:  # in the order of the file: the first one to reach a router is its next hop
                for prefix in prefixes_of[nearer]:
                    if prefix in done or prefix.version != target.version:
                        continue
                    done.add(prefix)
                    via = next(port.address for port in segments[prefix] if port.node == nearer)
                    for port in segments[prefix]:
                        if port.node not in reached:
                            reached.add(port.node)
                            found.append(port.node)
                            routes[port.node][target] = Hop(target, via, port.interface)
            ring = sorted(found, key=rank.__getitem__)


def _hosts(
    topology: Topology, addresses: Addresses, ports: dict[Prefix, list[_Port]], routes: dict[str, dict[Prefix, Hop]]
) -> None:
    routers = {node.name for node in topology.nodes if node.role == "router"}
    for node in topology.nodes:
        if node.name in routers:
            continue
        for interface in node.interfaces:
            for address in addresses[node.name, interface.name]:
                default = DEFAULTS[address.version == 6]
                gateway = next((port for port in ports[address.network] if port.node in routers), None)
                if gateway and default not in routes[node.name]:
                    routes[node.name][default] = Hop(default, gateway.address, interface.name)

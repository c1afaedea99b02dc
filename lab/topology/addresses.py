"""Which addresses and MACs interfaces get: the chosen ones first, then the lowest free, always the same."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from lab.topology.model import Address, AddressWithPrefix, Interface, Network, Node, Prefix, Topology

FIRST_HOST = 10  # below it is room for routers, so that a router added later moves no host

Addresses = dict[tuple[str, str], tuple[AddressWithPrefix, ...]]


def host_offsets(subnet: Prefix) -> range:
    """Offsets from the prefix's first address that an interface can have.

    Network and broadcast address are left out (RFC 1122 3.2.1.3), and IPv6's subnet-router anycast address
    (RFC 4291 2.6.1), except on point-to-point prefixes (RFC 3021, RFC 6164).
    """
    if subnet.max_prefixlen - subnet.prefixlen <= 1:
        return range(subnet.num_addresses)
    return range(1, subnet.num_addresses - (1 if subnet.version == 4 else 0))


def filled_by_plan(interface: Interface, subnet: Prefix) -> bool:
    """Whether the plan chooses this interface's address in this subnet: it has no chosen one of that family."""
    return all(address.version != subnet.version for address in interface.addresses)


def assign_addresses(topology: Topology) -> Addresses:
    """The addresses of each (node, interface), in the order of its network's subnets.

    An interface gets one address in each subnet of its network, unless the file chose one of that family. Routers
    take the lowest free ones, others begin at `FIRST_HOST`; each in the order of the file.
    """
    members: dict[str, list[tuple[Node, Interface]]] = {network.name: [] for network in topology.networks}
    for node in topology.nodes:
        for interface in node.interfaces:
            members[interface.network].append((node, interface))
    planned: dict[tuple[str, str], list[AddressWithPrefix]] = {
        (node.name, interface.name): [] for node in topology.nodes for interface in node.interfaces
    }
    for network in topology.networks:
        for subnet in network.subnets:
            for node, interface, address in _in_subnet(subnet, members[network.name]):
                planned[node.name, interface.name].append(ip_interface(f"{address}/{subnet.prefixlen}"))
    return {key: tuple(addresses) for key, addresses in planned.items()}


def _in_subnet(subnet: Prefix, members: list[tuple[Node, Interface]]) -> Iterator[tuple[Node, Interface, Address]]:
    taken: set[Address] = set()
    for node, interface in members:
        for address in interface.addresses:
            if address in subnet:
                taken.add(address)
                yield node, interface, address
    waiting = [(node, interface) for node, interface in members if filled_by_plan(interface, subnet)]
    routers = [member for member in waiting if member[0].role == "router"]
    others = [member for member in waiting if member[0].role != "router"]
    low = _free(subnet, taken, 0)
    for node, interface in routers:
        yield node, interface, next(low)
    high = _free(subnet, taken, FIRST_HOST)
    for node, interface in others:
        yield node, interface, next(high, None) or next(low)


def _free(subnet: Prefix, taken: set[Address], start: int) -> Iterator[Address]:
    """Free addresses from an offset on; each one given out is taken."""
    offsets = host_offsets(subnet)
    for offset in range(max(start, offsets.start), offsets.stop):
        address = subnet[offset]
        if address not in taken:
            taken.add(address)
            yield address


def subnet_of(network: Network, address: Address) -> Prefix | None:
    """The network's subnet that an address lies in."""
    return next((subnet for subnet in network.subnets if address in subnet), None)


def assign_macs(topology: Topology) -> dict[tuple[str, str], str]:
    """The MAC of each (node, interface): `02:00:00:NN:NN:II`, locally administered (IEEE 802, bit 2 of byte 1).

    NN:NN is the node's number in the file, from 1, and II the interface's, from 0. Chosen ones are kept; where a
    planned one is already chosen by another interface, its third byte counts up.
    """
    chosen = {interface.mac for node in topology.nodes for interface in node.interfaces if interface.mac}
    macs = {}
    for number, node in enumerate(topology.nodes, 1):
        for index, interface in enumerate(node.interfaces):
            tail = f"{number >> 8:02x}:{number & 255:02x}:{index:02x}"
            planned = (f"02:00:{third:02x}:{tail}" for third in range(256))
            macs[node.name, interface.name] = interface.mac or next(mac for mac in planned if mac not in chosen)
    return macs

"""The resolved network: every interface with name, MAC and addresses; every route; decided, printable, pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lab.addresses import Addresses, assign_addresses, assign_macs
from lab.routing import planned_routes
from lab.topology import Address, AddressWithPrefix, Node, NodeFile, Prefix, Role, Topology


@dataclass(frozen=True)
class PlannedNetwork:
    """A segment; `mtu` in bytes."""

    name: str
    subnets: tuple[Prefix, ...]
    mtu: int


@dataclass(frozen=True)
class PlannedInterface:
    """An interface as it will be; `mac` in the form 02:00:00:00:01:00."""

    node: str
    name: str
    network: str
    mac: str
    addresses: tuple[AddressWithPrefix, ...]
    mtu: int

    @property
    def point(self) -> str:
        """Name of its capture point, `node:interface`."""
        return f"{self.node}:{self.name}"


@dataclass(frozen=True)
class PlannedRoute:
    """A route through a gateway; connected routes follow from the addresses and are not listed."""

    to: Prefix
    via: Address
    interface: str


@dataclass(frozen=True)
class PlannedNode:
    """A node as it will be; `sysctls` as (name with dots, value), in the order in which they are set."""

    name: str
    role: Role
    interfaces: tuple[PlannedInterface, ...]
    routes: tuple[PlannedRoute, ...]
    sysctls: tuple[tuple[str, str], ...]
    hosts: tuple[tuple[str, tuple[str, ...]], ...]
    files: tuple[NodeFile, ...] = ()
    image: str | None = None

    @property
    def forwards(self) -> bool:
        """Whether it passes on packets that are not its own."""
        return self.role == "router"


@dataclass(frozen=True)
class Plan:
    """What a runtime builds; it decides nothing of its own."""

    name: str
    networks: tuple[PlannedNetwork, ...]
    nodes: tuple[PlannedNode, ...]
    runtime: str | None = None

    @cached_property
    def by_name(self) -> dict[str, PlannedNode]:
        """Nodes by name."""
        return {node.name: node for node in self.nodes}

    @cached_property
    def interfaces(self) -> tuple[PlannedInterface, ...]:
        """All interfaces, in the order of the file: also the order of the capture points."""
        return tuple(interface for node in self.nodes for interface in node.interfaces)

    @cached_property
    def points(self) -> dict[str, PlannedInterface]:
        """Interfaces by the name of their capture point."""
        return {interface.point: interface for interface in self.interfaces}

    @cached_property
    def owners(self) -> dict[Address, PlannedInterface]:
        """Which interface an address belongs to."""
        return {address.ip: interface for interface in self.interfaces for address in interface.addresses}

    @cached_property
    def macs(self) -> dict[str, PlannedInterface]:
        """Which interface a MAC belongs to."""
        return {interface.mac: interface for interface in self.interfaces}

    @cached_property
    def dual(self) -> bool:
        """Whether any network has an IPv6 prefix; without one IPv6 is switched off on every node."""
        return any(subnet.version == 6 for network in self.networks for subnet in network.subnets)

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON data; `from_json` gives an equal plan back."""
        from lab.planjson import plan_to_json

        return plan_to_json(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Plan:
        """The plan of `to_json`'s data; raises `LabError` where it is none."""
        from lab.planjson import plan_from_json

        return plan_from_json(data)


def make_plan(topology: Topology) -> Plan:
    """What a runtime has to build for a topology: the same on every machine, and in every run."""
    addresses, macs = assign_addresses(topology), assign_macs(topology)
    mtus = {network.name: network.mtu for network in topology.networks}
    dual = any(subnet.version == 6 for network in topology.networks for subnet in network.subnets)
    routes = planned_routes(topology, addresses)
    hosts = _hosts(topology, addresses, dual)
    nodes = []
    for node in topology.nodes:
        interfaces = tuple(
            PlannedInterface(
                node.name, each.name, each.network, macs[node.name, each.name], addresses[node.name, each.name],
                mtus[each.network],
            )
            for each in node.interfaces
        )  # fmt: skip
        planned = tuple(PlannedRoute(*route) for route in routes[node.name])
        nodes.append(
            PlannedNode(node.name, node.role, interfaces, planned, _sysctls(node, dual), hosts, node.files, node.image)
        )
    networks = tuple(PlannedNetwork(each.name, each.subnets, each.mtu) for each in topology.networks)
    return Plan(topology.name, networks, tuple(nodes), topology.runtime)


def _sysctls(node: Node, dual: bool) -> tuple[tuple[str, str], ...]:
    """Settings that would otherwise depend on the machine, then the node's own, which win.

    ip_forward comes first: writing it sets other settings back to their defaults.
    """
    router = "1" if node.role == "router" else "0"
    pinned = [("net.ipv4.ip_forward", router)]
    if dual:
        pinned.append(("net.ipv6.conf.all.forwarding", router))
    for which in ("all", "default"):
        pinned += [(f"net.ipv4.conf.{which}.{name}", "0") for name in OFF_IPV4]
        if dual:
            pinned += [(f"net.ipv6.conf.{which}.{name}", value) for name, value in QUIET_IPV6]
        else:
            pinned.append((f"net.ipv6.conf.{which}.disable_ipv6", "1"))
    if not dual:
        pinned.append(("net.ipv6.conf.lo.disable_ipv6", "0"))  # a program may still talk to itself over ::1
    pinned.append(("net.ipv4.ip_local_port_range", "32768 60999"))
    return (*pinned, *node.sysctls)


# A new network namespace takes these from the machine's own settings, which distributions and administrators change.
# Redirects are off because they would change a host's route in the middle of a run.
OFF_IPV4 = (
    "rp_filter",
    "arp_announce",
    "arp_filter",
    "arp_ignore",
    "proxy_arp",
    "accept_redirects",
    "send_redirects",
)
# No probe, solicitation or report of the kernel's own accord: a lab at rest stays silent.
QUIET_IPV6 = (
    ("accept_dad", "0"),
    ("dad_transmits", "0"),
    ("router_solicitations", "0"),
    ("accept_ra", "0"),
    ("autoconf", "0"),
    ("mldv2_unsolicited_report_interval", "10"),
)


def _hosts(topology: Topology, addresses: Addresses, dual: bool) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The lines of /etc/hosts, the same on every node."""
    lines: list[tuple[str, tuple[str, ...]]] = [("127.0.0.1", ("localhost",))]
    if dual:
        lines.append(("::1", ("localhost", "ip6-localhost", "ip6-loopback")))
    for node in topology.nodes:
        for interface in node.interfaces:
            lines += [(str(each.ip), (node.name,)) for each in addresses[node.name, interface.name]]
    return tuple(lines)


def next_hop(plan: Plan, node: str, address: Address) -> PlannedInterface | None:
    """The neighbour's interface that `node` hands a packet for `address` to; None where it cannot.

    Longest prefix first, connected prefixes before routes (RFC 1812, section 5.2.4.3). None for a node's own address,
    for no route, and for a next hop or a connected address that nobody has.
    """
    planned = plan.by_name[node]
    candidates: list[tuple[Prefix, Address]] = [
        (own.network, address) for interface in planned.interfaces for own in interface.addresses
    ]
    candidates += [(route.to, route.via) for route in planned.routes]
    fitting = [candidate for candidate in candidates if address in candidate[0]]
    if not fitting:
        return None
    via = max(fitting, key=lambda each: each[0].prefixlen)[1]
    owner = plan.owners.get(via)
    return owner if owner and owner.node != node else None


def expected_path(plan: Plan, start: str, to: Address) -> tuple[PlannedInterface, ...] | None:
    """The interfaces that a packet from `start` to the address `to` enters on its way, the last one `to`'s node's.

    None where it does not arrive: no route, a loop, or a node on the way that does not forward.
    """
    path: list[PlannedInterface] = []
    node = start
    while True:
        entered = next_hop(plan, node, to)
        if entered is None or any(entered.node == passed.node for passed in path) or entered.node == start:
            return None
        path.append(entered)
        node = entered.node
        if plan.owners.get(to) in plan.by_name[node].interfaces:
            return tuple(path)
        if not plan.by_name[node].forwards:
            return None

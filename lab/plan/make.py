"""A topology becomes a plan: the same one on every machine, and in every run."""

from __future__ import annotations

from lab.plan.model import Plan, PlannedInterface, PlannedNetwork, PlannedNode, PlannedRoute
from lab.plan.routing import planned_routes
from lab.topology.addresses import Addresses, assign_addresses, assign_macs
from lab.topology.model import AddressWithPrefix, Node, Topology


def make_plan(topology: Topology) -> Plan:
    """What a runtime has to build for a topology: the same on every machine, and in every run."""
    addresses, macs = assign_addresses(topology), assign_macs(topology)
    mtus = {network.name: network.mtu for network in topology.networks}
    dual = any(subnet.version == 6 for network in topology.networks for subnet in network.subnets)
    routes = planned_routes(topology, addresses)
    hosts = _hosts(topology, addresses, dual)
    asked = _resolver_addresses(topology, addresses)
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
            PlannedNode(
                node.name, node.role, interfaces, planned, _sysctls(node, dual), hosts, node.files, node.image,
                _nameserver(interfaces, asked), node.setup,
            )
        )  # fmt: skip
    networks = tuple(PlannedNetwork(each.name, each.subnets, each.mtu, each.link) for each in topology.networks)
    return Plan(topology.name, networks, tuple(nodes), topology.runtime, topology.resolver)


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
    pinned.append(("net.ipv4.ip_unprivileged_port_start", "0"))  # port 80 takes no privilege in a lab
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
    """The lines of /etc/hosts, the same on every node; with a resolver only a node's own loopback."""
    lines: list[tuple[str, tuple[str, ...]]] = [("127.0.0.1", ("localhost",))]
    if dual:
        lines.append(("::1", ("localhost", "ip6-localhost", "ip6-loopback")))
    for node in () if topology.resolver else topology.nodes:
        for interface in node.interfaces:
            lines += [(str(each.ip), (node.name,)) for each in addresses[node.name, interface.name]]
    return tuple(lines)


def _resolver_addresses(topology: Topology, addresses: Addresses) -> tuple[AddressWithPrefix, ...]:
    """Where the name server answers: every address of its node, in order."""
    return tuple(each for (node, _), several in addresses.items() if node == topology.resolver for each in several)


def _nameserver(interfaces: tuple[PlannedInterface, ...], asked: tuple[AddressWithPrefix, ...]) -> str | None:
    """The address that a node asks: one on a network of its own where there is one, else the first of its families."""
    own = [address for interface in interfaces for address in interface.addresses]
    near = [each for each in asked if any(each.network == address.network for address in own)]
    families = {address.version for address in own}
    found = near or [each for each in asked if each.version in families]
    return str(found[0].ip) if found else None

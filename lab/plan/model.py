"""The resolved network: every interface with name, MAC and addresses; every route; decided, printable, pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lab.topology.links import PLAIN, Link
from lab.topology.model import Address, AddressWithPrefix, NodeFile, Prefix, Role


@dataclass(frozen=True)
class PlannedNetwork:
    """A segment; `mtu` in bytes, `link` what it does to frames."""

    name: str
    subnets: tuple[Prefix, ...]
    mtu: int
    link: Link = PLAIN


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
    nameserver: str | None = None  # the address in its /etc/resolv.conf
    setup: tuple[tuple[str, ...], ...] = ()

    @property
    def resolv_conf(self) -> str:
        """The text of /etc/resolv.conf (resolv.conf(5))."""
        return f"nameserver {self.nameserver}\n" if self.nameserver else ""

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
    resolver: str | None = None  # the node on which a name server runs

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

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """Each address of the lab with its node's name, in the order of the file."""
        return tuple((str(address), interface.node) for address, interface in self.owners.items())

    @cached_property
    def macs(self) -> dict[str, PlannedInterface]:
        """Which interface a MAC belongs to."""
        return {interface.mac: interface for interface in self.interfaces}

    @cached_property
    def dual(self) -> bool:
        """Whether any network has an IPv6 prefix; without one IPv6 is switched off on every node."""
        return any(subnet.version == 6 for network in self.networks for subnet in network.subnets)

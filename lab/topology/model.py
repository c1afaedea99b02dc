"""A topology as it was written, frozen and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Literal

from lab.topology.links import PLAIN, Link

Address = IPv4Address | IPv6Address
AddressWithPrefix = IPv4Interface | IPv6Interface
Prefix = IPv4Network | IPv6Network
Role = Literal["client", "router", "server", "host"]


@dataclass(frozen=True)
class Network:
    """One layer-2 segment and the prefixes used on it; `mtu` in bytes."""

    name: str
    subnets: tuple[Prefix, ...]
    mtu: int = 1500
    link: Link = PLAIN


@dataclass(frozen=True)
class Interface:
    """A node's interface on a network; `addresses` and `mac` only where the file chose them."""

    name: str
    network: str
    addresses: tuple[Address, ...] = ()
    mac: str | None = None


@dataclass(frozen=True)
class NodeFile:
    """A file put into a node at an absolute `path`."""

    path: str
    content: bytes


@dataclass(frozen=True)
class Node:
    """A machine of the lab."""

    name: str
    role: Role
    interfaces: tuple[Interface, ...]
    sysctls: tuple[tuple[str, str], ...] = ()
    files: tuple[NodeFile, ...] = ()
    image: str | None = None
    setup: tuple[tuple[str, ...], ...] = ()  # commands that its administrator runs once the lab is wired


@dataclass(frozen=True)
class Route:
    """A route chosen by a person: on `node`, packets for `to` go to the neighbour `via`."""

    node: str
    to: Prefix
    via: Address


@dataclass(frozen=True)
class Topology:
    """A checked topology; names are unique and every reference resolves."""

    name: str
    networks: tuple[Network, ...]
    nodes: tuple[Node, ...]
    routes: tuple[Route, ...] = ()
    routing: Literal["auto", "manual"] = "auto"
    runtime: str | None = None
    resolver: str | None = None  # the node that answers DNS; None where names stand in /etc/hosts
    source: str = ""  # the file's text
    beside: tuple[tuple[str, bytes], ...] = ()  # files that it names, by their path below its folder
    values: Mapping[str, str | int] = field(default_factory=dict)  # what ${name} stands for in it

"""The small network that a teacher describes."""

from lab.topology.links import PROFILES, Link
from lab.topology.load import load_topology, parse_topology, with_values
from lab.topology.model import (
    Address,
    AddressWithPrefix,
    Interface,
    Network,
    Node,
    NodeFile,
    Prefix,
    Role,
    Route,
    Topology,
)
from lab.topology.routes import apply_routes

__all__ = [
    "PROFILES",
    "Address",
    "AddressWithPrefix",
    "Interface",
    "Link",
    "Network",
    "Node",
    "NodeFile",
    "Prefix",
    "Role",
    "Route",
    "Topology",
    "apply_routes",
    "load_topology",
    "parse_topology",
    "with_values",
]

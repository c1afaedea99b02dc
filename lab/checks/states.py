"""What the kernel said about a node, read back without trust in its shape: a run directory may come from anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any, TypeVar

from lab.evidence import Evidence
from lab.topology import Address
from lab.topology.model import AddressWithPrefix, Prefix

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Socket:
    """A socket of a node by its local address; `state` is LISTEN, TIME-WAIT …, of UDP OPEN or CONNECTED.

    `v6only` tells of one on :: that it takes no IPv4 (RFC 3493 §5.3).
    """

    protocol: str
    address: Address
    port: int
    state: str
    v6only: bool = False

    @property
    def families(self) -> frozenset[int]:
        """The versions of IP that it takes."""
        both = self.address.version == 6 and self.address.is_unspecified and not self.v6only
        return frozenset((4, 6) if both else (self.address.version,))


@dataclass(frozen=True)
class Neighbour:
    """An entry of a neighbour table; `mac` is "" while it is unknown, `state` is reachable, stale, permanent …"""

    address: Address
    mac: str
    state: str


@dataclass(frozen=True)
class Route:
    """A route of a node; `via` is None where the destination is on the interface's own network.

    `kind` is "" but for routes that lead nowhere: blackhole, unreachable … Of several to one prefix the lowest
    `metric` decides; a route with several next hops is one for each.
    """

    to: Prefix
    via: Address | None
    interface: str
    kind: str = ""
    metric: int = 0


def section(evidence: Evidence, phase: str, node: str, name: str) -> Any:
    """One part of what was recorded of a node, None where it was not."""
    found: Any = evidence.states
    for key in (phase, node, name):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def sysctl(evidence: Evidence, node: str, name: str) -> str | None:
    """A sysctl's value before the steps, else the plan's, else None."""
    recorded = section(evidence, "before", node, "sysctls")
    if isinstance(recorded, Mapping) and isinstance(recorded.get(name), str):
        return str(recorded[name])
    planned = evidence.plan.by_name.get(node)
    return dict(planned.sysctls).get(name) if planned else None


def sockets(evidence: Evidence, phase: str, node: str) -> tuple[Socket, ...] | None:
    """A node's sockets in a phase; None where they were not recorded."""
    recorded = section(evidence, phase, node, "sockets")
    return tuple(_sockets(recorded)) if isinstance(recorded, (list, tuple)) else None


def neighbours(evidence: Evidence, phase: str, node: str) -> tuple[Neighbour, ...] | None:
    """A node's neighbour table in a phase; None where it was not recorded."""
    recorded = section(evidence, phase, node, "neighbours")
    return tuple(_neighbours(recorded)) if isinstance(recorded, (list, tuple)) else None


def routes(evidence: Evidence, phase: str, node: str) -> tuple[Route, ...] | None:
    """A node's routes in a phase; None where they were not recorded."""
    recorded = section(evidence, phase, node, "routes")
    return tuple(_routes(recorded)) if isinstance(recorded, (list, tuple)) else None


def addresses(evidence: Evidence, phase: str, node: str) -> tuple[AddressWithPrefix, ...] | None:
    """A node's addresses in a phase; None where they were not recorded."""
    recorded = section(evidence, phase, node, "addresses")
    if not isinstance(recorded, (list, tuple)):
        return None
    rows = (row.get("address") for row in recorded if isinstance(row, Mapping))
    return tuple(found for row in rows if (found := _read(ip_interface, row)))


def _routes(rows: Any) -> Iterator[Route]:
    for row in rows:
        if isinstance(row, Mapping) and (to := _read(ip_network, row.get("to"))):
            via = _address(row["via"]) if row.get("via") else None
            metric = row.get("metric", 0)
            yield Route(to, via, str(row.get("interface") or ""), str(row.get("type") or ""),
                        metric if isinstance(metric, int) else 0)  # fmt: skip


def _read(kind: Callable[[str], _Read], text: Any) -> _Read | None:
    try:
        return kind(str(text))
    except ValueError:
        return None


def _sockets(rows: Any) -> Iterator[Socket]:
    for row in rows:
        if isinstance(row, Mapping) and (address := _address(row.get("local"))) and isinstance(row.get("port"), int):
            yield Socket(str(row.get("protocol")), address, row["port"], str(row.get("state")).upper(),
                         row.get("v6only") is True)  # fmt: skip


def _neighbours(rows: Any) -> Iterator[Neighbour]:
    for row in rows:
        if isinstance(row, Mapping) and (address := _address(row.get("address"))):
            yield Neighbour(address, str(row.get("mac") or "").lower(), str(row.get("state")).lower())


def _address(text: Any) -> Address | None:
    try:
        found = ip_address(str(text))
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found

"""A node's addresses, routes, neighbours, sockets and sysctls, asked of the kernel and of nobody else."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from lab.runtime.netns import netlink as nl
from lab.topology.sysctls import KEPT

_TCP_STATES = (
    *("", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "CLOSED"),
    *("CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING", "NEW-SYN-RECEIVED"),
)
_NEIGHBOUR_STATES = {
    1: "incomplete",
    2: "reachable",
    4: "stale",
    8: "delay",
    16: "probe",
    32: "failed",
    128: "permanent",
}
_ROUTE_TYPES = {1: "unicast", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}
_UNICAST = 1
_HOP = struct.Struct("=HBBi")  # struct rtnexthop: its length with attributes, flags, weight, interface
_SKV6ONLY = 11  # INET_DIAG_SKV6ONLY: does not take IPv4
_DIAG_REQUEST = struct.Struct("=BBBBI48x")
_DIAG_ANSWER = struct.Struct("=BBBB2s2s16s16sI2I5I")


def tables(netlink: nl.Netlink, names: Mapping[int, str]) -> dict[str, Any]:
    """A node's addresses, routes and neighbours; `names` are its interfaces by their index, in the plan's order.

    The kernel tells them in an order that differs from machine to machine: these are in the order of the interfaces,
    routes in that of their destinations.
    """
    place = {name: number for number, name in enumerate(names.values())}
    neighbours = _neighbours(netlink, names)
    neighbours.sort(key=lambda each: (place[each["interface"]], len(each["address"]), each["address"]))
    return {
        "addresses": sorted(_addresses(netlink, names), key=lambda each: place[each["interface"]]),
        "routes": sorted(_routes(netlink, names), key=lambda each: _rank(each, place)),
        "neighbours": neighbours,
    }


def _addresses(netlink: nl.Netlink, names: Mapping[int, str]) -> list[dict[str, str]]:
    """Addresses of the node's own interfaces, in the form 10.0.1.10/24."""
    found = []
    for body in netlink.dump(nl.RTM_GETADDR, bytes(8)):
        family, length, _, _, index = struct.unpack_from("=BBBBI", body)
        if index in names and family in (socket.AF_INET, socket.AF_INET6):
            attributes = nl.attributes(body[8:])
            raw = attributes.get(nl.IFA_LOCAL) or attributes[nl.IFA_ADDRESS]
            found.append({"interface": names[index], "address": f"{ip_address(raw)}/{length}"})
    return found


def _routes(netlink: nl.Netlink, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """The main routing tables of both families, a route with several next hops once for each.

    A connected route has no `via`, one that leads nowhere a `type`; `metric` stands where it is not 0.
    """
    found: list[dict[str, Any]] = []
    for body in netlink.dump(nl.RTM_GETROUTE, bytes(12)):
        family, length, _, _, table, _, _, kind, _ = struct.unpack_from("=BBBBBBBBI", body)
        attributes = nl.attributes(body[12:])
        (table,) = struct.unpack("=I", attributes[nl.RTA_TABLE]) if nl.RTA_TABLE in attributes else (table,)
        if table != nl.RT_TABLE_MAIN or family not in (socket.AF_INET, socket.AF_INET6) or kind not in _ROUTE_TYPES:
            continue
        raw = attributes.get(nl.RTA_DST) or bytes(4 if family == socket.AF_INET else 16)
        route: dict[str, Any] = {"to": str(ip_network((raw, length)))}
        metric = struct.unpack("=I", attributes[nl.RTA_PRIORITY])[0] if nl.RTA_PRIORITY in attributes else 0
        beside = {"metric": metric} if metric else {}
        if kind != _UNICAST:  # IPv6 says of these that they lead over lo
            found.append({**route, "type": _ROUTE_TYPES[kind], **beside})
            continue
        for index, hop in _hops(attributes):
            if index in names:
                found.append({**route, **_next_hop(hop), "interface": names[index], **beside})
    return found


def _rank(route: Mapping[str, Any], place: Mapping[str, int]) -> tuple[int, ...]:
    to = ip_network(route["to"])
    metric = route.get("metric", 0)
    return to.version, int(to.network_address), to.prefixlen, metric, place.get(route.get("interface", ""), -1)


def _hops(attributes: Mapping[int, bytes]) -> Iterator[tuple[int, Mapping[int, bytes]]]:
    """The index of each next hop's interface, and what is said of the hop."""
    if nl.RTA_OIF in attributes:
        yield struct.unpack("=I", attributes[nl.RTA_OIF])[0], attributes
    several = attributes.get(nl.RTA_MULTIPATH, b"")
    while len(several) >= _HOP.size:
        length, _, _, index = _HOP.unpack_from(several)
        yield index, nl.attributes(several[_HOP.size : length])
        several = several[max(length + 3 & ~3, _HOP.size) :]


def _next_hop(attributes: Mapping[int, bytes]) -> dict[str, str]:
    if nl.RTA_VIA in attributes:  # of the other family: this in two bytes, then the address
        return {"via": str(ip_address(attributes[nl.RTA_VIA][2:]))}
    return {"via": str(ip_address(attributes[nl.RTA_GATEWAY]))} if nl.RTA_GATEWAY in attributes else {}


def _neighbours(netlink: nl.Netlink, names: Mapping[int, str]) -> list[dict[str, str]]:
    """The neighbour tables (ARP and NDP) without multicast entries."""
    found = []
    for body in netlink.dump(nl.RTM_GETNEIGH, bytes(12)):
        _, index, state, _, _ = struct.unpack_from("=BxxxiHBB", body)
        attributes = nl.attributes(body[12:])
        if index not in names or state not in _NEIGHBOUR_STATES or nl.NDA_DST not in attributes:
            continue
        neighbour = {
            "address": str(ip_address(attributes[nl.NDA_DST])),
            "interface": names[index],
            "state": _NEIGHBOUR_STATES[state],
        }
        if nl.NDA_LLADDR in attributes:
            neighbour["mac"] = attributes[nl.NDA_LLADDR].hex(":")
        found.append(neighbour)
    return found


def sockets(diag: nl.Netlink) -> Iterator[dict[str, Any]]:
    """TCP and UDP sockets of the node; addresses as text, `uid` of the owner."""
    for family in (socket.AF_INET, socket.AF_INET6):
        for name, protocol in (("tcp", socket.IPPROTO_TCP), ("udp", socket.IPPROTO_UDP)):
            request = _DIAG_REQUEST.pack(family, protocol, 0, 0, 0xFFFFFFFF)
            try:
                answers = list(diag.dump(nl.SOCK_DIAG_BY_FAMILY, request))
            except FileNotFoundError:  # this kernel has no IPv6, or no diagnosis of UDP
                continue
            for body in answers:
                yield _socket(name, body)


def _socket(protocol: str, body: bytes) -> dict[str, Any]:
    family, state, _, _, local_port, peer_port, local, peer, *_, inode = _DIAG_ANSWER.unpack_from(body)
    size = 4 if family == socket.AF_INET else 16
    v6only = nl.attributes(body[_DIAG_ANSWER.size :]).get(_SKV6ONLY) == b"\x01"
    return {
        "protocol": protocol,
        "family": 4 if family == socket.AF_INET else 6,
        "state": _TCP_STATES[state] if protocol == "tcp" else ("CONNECTED" if state == 1 else "OPEN"),
        "local": str(ip_address(local[:size])),
        "port": int.from_bytes(local_port, "big"),
        "peer": str(ip_address(peer[:size])),
        "peer_port": int.from_bytes(peer_port, "big"),
        "inode": inode,
        **({"v6only": True} if v6only else {}),
    }


def sysctls() -> dict[str, str]:
    """Those that a verdict may rest on, of the calling network namespace."""
    found = {}
    for name in KEPT:
        path = Path("/proc/sys") / name.replace(".", "/")
        if path.exists():
            found[name] = " ".join(path.read_text().split())
    return found

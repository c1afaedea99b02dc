"""Makes a container's network what the plan says, whatever the Engine made of it."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

from lab.runtime.netns import netlink as nl
from lab.runtime.netns import offload
from lab.runtime.netns.wiring import set_sysctls, silence_listeners

_LO = 1
_RTM_SETLINK, _RTM_DELADDR, _RTM_DELNEIGH = 19, 21, 29
_NUD_NOARP, _NUD_PERMANENT = 0x40, 0x80
_IFLA_LINK, _IFF_RUNNING = 5, 0x40
_RESOLVER = ip_address("127.0.0.11")  # the Engine's, which asks the world
_RT_TABLE_LOCAL, _RTN_UNREACHABLE = 255, 7
_NFT_FAMILY, _NFT_DELTABLE = 10, 2

# The Engine loosens these in every container; here they are what a new network namespace has.
_KERNEL_DEFAULTS = (("net.ipv4.ping_group_range", "1 0"), ("net.ipv4.ip_unprivileged_port_start", "1024"))


@dataclass(frozen=True)
class Link:
    """An interface as the kernel has it."""

    index: int
    name: str
    master: int
    peer: int  # the index of the other end, in its own network namespace; 0 of a link that has none
    up: bool
    running: bool  # it has a carrier, and its queues are set up


def links(netlink: nl.Netlink) -> list[Link]:
    """All interfaces of a network namespace."""
    found = []
    for body in netlink.dump(nl.RTM_GETLINK, bytes(16)):
        index, flags = struct.unpack_from("=BxHiI", body)[2:]
        attributes = nl.attributes(body[16:])
        name = attributes[nl.IFLA_IFNAME].rstrip(b"\0").decode()
        master, peer = (struct.unpack("=I", attributes.get(kind, bytes(4)))[0] for kind in (nl.IFLA_MASTER, _IFLA_LINK))
        found.append(Link(index, name, master, peer, bool(flags & nl.IFF_UP), bool(flags & _IFF_RUNNING)))
    return found


def wire(netlink: nl.Netlink, node: dict[str, Any]) -> dict[str, int]:
    """Configure the calling network namespace, which `netlink` speaks to; by interface the index of its other end.

    An interface is known by the address that the Engine was told to give it. Raises OSError, naming what was refused.
    """
    before = {link.index: link for link in links(netlink)}
    given = {str(ip_address(raw)): index for index, raw, _ in _addresses(netlink)}
    wired = {given[interface["wiring"]]: interface for interface in node["interfaces"]}
    flush_filters()
    if node["dual"]:
        silence_listeners(node["name"])
    netlink.send(_strip(netlink, wired))
    # Renamed twice: the Engine's eth0 may have to become eth1, and the other way round.
    netlink.send((_RTM_SETLINK, 0, _named(index, f"lab{index}")) for index in wired)
    netlink.send((_RTM_SETLINK, 0, _named(index, each["name"])) for index, each in wired.items())
    set_sysctls(_KERNEL_DEFAULTS)
    names = [interface["name"] for interface in node["interfaces"]]
    if node["dual"]:  # the Engine has switched it off, for its own network is without
        set_sysctls((f"net.ipv6.conf.{name}.disable_ipv6", "0") for name in ("all", "default", "lo", *names))
    set_sysctls(_settings(node["sysctls"], names))
    for name in names:
        offload.switch_off(netlink.fileno(), name)
    netlink.send(_configuration(node, {each["name"]: index for index, each in wired.items()}))
    set_sysctls((name, value) for name, value in node["sysctls"] if _of_interface(name, names))
    lost = set(before) - set(wired) - {_LO}
    if lost:
        raise OSError(17, f"interfaces that the plan does not know: {', '.join(before[index].name for index in lost)}")
    return {each["name"]: before[index].peer for index, each in wired.items()}


def _addresses(netlink: nl.Netlink) -> Iterator[tuple[int, bytes, bytes]]:
    """Each address as (interface's index, its bytes, the message that deletes it)."""
    for body in netlink.dump(nl.RTM_GETADDR, bytes(8)):
        attributes = nl.attributes(body[8:])
        raw = attributes.get(nl.IFA_LOCAL) or attributes[nl.IFA_ADDRESS]
        yield struct.unpack_from("=I", body, 4)[0], raw, body


def _strip(netlink: nl.Netlink, wired: dict[int, Any]) -> list[tuple[int, int, bytes]]:
    """Messages that take what the Engine gave: every address, and by taking them down every route."""
    taken = [(_RTM_DELADDR, 0, body) for index, _, body in _addresses(netlink) if index in wired]
    down = struct.Struct("=BxHiII")
    return [*taken, *((_RTM_SETLINK, 0, down.pack(0, 0, index, 0, nl.IFF_UP)) for index in wired)]


def _named(index: int, name: str) -> bytes:
    return nl.link(index, nl.text(nl.IFLA_IFNAME, name), up=False)


def _settings(sysctls: Iterable[tuple[str, str]], interfaces: list[str]) -> Iterator[tuple[str, str]]:
    """The node's sysctls; what stands for interfaces to come holds for those that the Engine has made already."""
    for name, value in sysctls:
        if _of_interface(name, interfaces):
            continue
        yield name, value
        if ".conf.default." in name:
            for interface in interfaces:
                yield name.replace(".default.", f".{interface}."), value


def _of_interface(sysctl: str, interfaces: list[str]) -> bool:
    return any(f".{name}." in sysctl for name in interfaces)


def _configuration(node: dict[str, Any], indices: dict[str, int]) -> Iterator[tuple[int, int, bytes]]:
    new = nl.NLM_F_CREATE | nl.NLM_F_EXCL
    yield nl.RTM_NEWLINK, 0, nl.link(_LO, b"")
    yield nl.RTM_NEWROUTE, new | nl.NLM_F_REPLACE, _no_resolver()
    for interface in node["interfaces"]:
        mac = nl.attribute(nl.IFLA_ADDRESS, bytes.fromhex(interface["mac"].replace(":", "")))
        mtu = nl.number(nl.IFLA_MTU, interface["mtu"])
        index = indices[interface["name"]]
        yield _RTM_SETLINK, 0, nl.link(index, mac + mtu, up=False)
        yield _RTM_SETLINK, 0, nl.link(index, b"")
        for text in interface["addresses"]:
            address = ip_interface(text)
            yield nl.RTM_NEWADDR, new, nl.address(index, address.ip, address.network.prefixlen)
    for route in node["routes"]:
        to = ip_network(route["to"])
        via = ip_address(route["via"])
        yield nl.RTM_NEWROUTE, new, nl.route(to.network_address, to.prefixlen, via, indices[route["interface"]])


def _no_resolver() -> bytes:
    """A route by which the Engine's resolver cannot be reached: 127.0.0.11 is found before 127.0.0.0/8."""
    kind = (_RT_TABLE_LOCAL, nl.RTPROT_STATIC, 0, _RTN_UNREACHABLE, 0)
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 32, 0, 0, *kind)
    return body + nl.attribute(nl.RTA_DST, _RESOLVER.packed)


def is_resolver(found: dict[str, Any]) -> bool:
    """Whether a socket is the Engine's resolver, which listens inside the node's own network namespace."""
    return bool(found["local"] == str(_RESOLVER))


def flush_filters() -> None:
    """Delete the rules by which the Engine redirects name queries: they would have every packet tracked."""
    begin = struct.pack("=IHHIIBBH", 20, 0x10, 1, 0, 0, 0, 0, socket.htons(_NFT_FAMILY))
    delete = struct.pack("=IHHIIBBH", 20, _NFT_FAMILY << 8 | _NFT_DELTABLE, 1 | 4, 1, 0, 0, 0, 0)
    end = struct.pack("=IHHIIBBH", 20, 0x11, 1, 2, 0, 0, 0, socket.htons(_NFT_FAMILY))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 12) as netfilter:  # NETLINK_NETFILTER
        netfilter.bind((0, 0))
        netfilter.settimeout(5)
        netfilter.send(begin + delete + end)
        netfilter.recv(8192)  # its answer; an Engine that uses iptables' older tables has nothing here


def quiet_bridge(netlink: nl.Netlink, name: str) -> None:
    """Keep the host out of a segment: no address of its bridge, no IPv6, and no snooping, which floods less than a hub.

    With snooping goes a multicast group of the bridge's own, and its reports: they are told to come at once, while
    no node is there yet.
    """
    bridge = next((link for link in links(netlink) if link.name == name), None)
    if bridge is None:
        raise OSError(2, f"the Engine's machine has no bridge {name}")
    set_sysctls(
        ((f"net.ipv6.conf.{name}.disable_ipv6", "1"), (f"net.ipv4.conf.{name}.igmpv3_unsolicited_report_interval", "1"))
    )
    netlink.send([(_RTM_DELADDR, 0, body) for index, _, body in _addresses(netlink) if index == bridge.index])
    options = nl.attribute(nl.IFLA_BR_MCAST_SNOOPING, b"\0")
    kind = nl.text(nl.IFLA_INFO_KIND, "bridge") + nl.attribute(nl.IFLA_INFO_DATA, options)
    netlink.send([(nl.RTM_NEWLINK, 0, nl.link(bridge.index, nl.attribute(nl.IFLA_LINKINFO, kind), up=False))])


def quiet_ports(netlink: nl.Netlink, bridges: list[str]) -> None:
    """Have the host's ends of the nodes' links send nothing of their own."""
    found = links(netlink)
    ours = {link.index for link in found if link.name in bridges}
    set_sysctls((f"net.ipv6.conf.{link.name}.disable_ipv6", "1") for link in found if link.master in ours)


def forget_neighbours(netlink: nl.Netlink) -> None:
    """Delete what a node has learned of its neighbours: a host's end of a link may have spoken before it was quiet."""
    for body in list(netlink.dump(nl.RTM_GETNEIGH, bytes(12))):
        _, _, state, _, _ = struct.unpack_from("=BxxxiHBB", body)
        if not state & (_NUD_NOARP | _NUD_PERMANENT):
            target = nl.attribute(nl.NDA_DST, nl.attributes(body[12:]).get(nl.NDA_DST, b""))
            with contextlib.suppress(FileNotFoundError):  # it has aged out by itself
                netlink.send([(_RTM_DELNEIGH, 0, body[:12] + target)])


def machine() -> dict[str, Any]:
    """What of the Engine's machine bears on a lab: whether bridged packets pass its filters."""
    filtered = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    return {"filtered": filtered.exists() and filtered.read_text().strip() == "1"}

"""Carries out a plan in the kernel: namespaces, bridges, veth pairs, addresses, routes. Decides nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.runtime.netns import netlink as nl
from lab.runtime.netns import offload
from lab.runtime.netns.syscalls import CLONE_NEWNET, keep_capabilities_over_exec, setns, unshare

if TYPE_CHECKING:
    from lab.plan import Plan, PlannedInterface, PlannedNode

_NEW = nl.NLM_F_CREATE | nl.NLM_F_EXCL
_FIRST_INDEX = 2  # of a node's interfaces: 1 is lo
_FIRST_BRIDGE = 2
NO_IPV6 = (("net.ipv6.conf.all.disable_ipv6", "1"), ("net.ipv6.conf.default.disable_ipv6", "1"))

# A kernel reports the multicast groups it listens to whenever an interface or address appears; a lab at rest is silent.
_SILENT_LISTENERS = """
table ip6 lab {
  chain output {
    type filter hook output priority 0;
    icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } drop
  }
}
"""


@dataclass
class WiredNode:
    """A node's network namespace: a descriptor that keeps it, and netlink inside it."""

    plan: PlannedNode
    namespace: int
    netlink: nl.Netlink


def wire(plan: Plan, say: Callable[[str], None]) -> dict[str, WiredNode]:
    """Build the whole network; the calling namespace becomes the switch that holds every segment's bridge.

    Raises OSError, its text naming what could not be made, when the kernel refuses.
    """
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    set_sysctls(NO_IPV6)
    switch = nl.Netlink()
    nodes: dict[str, WiredNode] = {}
    for node in plan.nodes:
        say(f"node {node.name}: network namespace, {len(node.sysctls)} sysctls")
        unshare(CLONE_NEWNET)
        set_sysctls(sysctl for sysctl in node.sysctls if not _of_interface(sysctl[0], node))
        if plan.dual:
            silence_listeners(node.name)
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        nodes[node.name] = WiredNode(node, namespace, nl.Netlink())
    setns(home, CLONE_NEWNET)
    switch.send(_segments(plan, nodes, say))
    for node, wired in zip(plan.nodes, nodes.values(), strict=True):
        for interface in node.interfaces:
            offload.switch_off(wired.netlink.fileno(), interface.name)
        wired.netlink.send(_configuration(node))
        late = [sysctl for sysctl in node.sysctls if _of_interface(sysctl[0], node)]
        if late:
            setns(wired.namespace, CLONE_NEWNET)
            set_sysctls(late)
    setns(home, CLONE_NEWNET)
    os.close(home)
    switch.close()
    return nodes


def _segments(plan: Plan, nodes: dict[str, WiredNode], say: Callable[[str], None]) -> Iterator[tuple[int, int, bytes]]:
    """Messages for the switch: a bridge a segment, and for each interface a veth pair that ends in its node."""
    bridges = {network.name: index for index, network in enumerate(plan.networks, _FIRST_BRIDGE)}
    for network in plan.networks:
        say(f"network {network.name}: bridge, MTU {network.mtu}")
        yield nl.RTM_NEWLINK, _NEW, _bridge(bridges[network.name], network.mtu)
    port = _FIRST_BRIDGE + len(bridges)
    for node in plan.nodes:
        for index, interface in enumerate(node.interfaces, _FIRST_INDEX):
            say(f"{interface.point} on {interface.network}: {interface.mac} {' '.join(map(str, interface.addresses))}")
            namespace = nodes[node.name].namespace
            yield nl.RTM_NEWLINK, _NEW, _veth(port, bridges[interface.network], interface, index, namespace)
            port += 1


def segment_ports(plan: Plan) -> dict[str, dict[str, int]]:
    """The index of the segment's side of each interface by network and capture point, as `wire` gives it."""
    ports: dict[str, dict[str, int]] = {network.name: {} for network in plan.networks}
    for port, interface in enumerate(plan.interfaces, _FIRST_BRIDGE + len(plan.networks)):
        ports[interface.network][interface.point] = port
    return ports


def _bridge(index: int, mtu: int) -> bytes:
    # Snooping off: a segment floods multicast to everybody, as the course's Ethernet does.
    options = nl.attribute(nl.IFLA_BR_MCAST_SNOOPING, b"\0")
    kind = nl.text(nl.IFLA_INFO_KIND, "bridge") + nl.attribute(nl.IFLA_INFO_DATA, options)
    named = nl.text(nl.IFLA_IFNAME, f"br{index}") + nl.number(nl.IFLA_MTU, mtu)
    return nl.link(index, named + nl.attribute(nl.IFLA_LINKINFO, kind))


def _veth(port: int, bridge: int, interface: PlannedInterface, index: int, namespace: int) -> bytes:
    mtu = nl.number(nl.IFLA_MTU, interface.mtu)
    mac = nl.attribute(nl.IFLA_ADDRESS, bytes.fromhex(interface.mac.replace(":", "")))
    inside = nl.text(nl.IFLA_IFNAME, interface.name) + mac + mtu + nl.number(nl.IFLA_NET_NS_FD, namespace)
    # Not up yet: while the pair is being made the kernel answers ENOTCONN to that.
    peer = nl.attribute(nl.VETH_INFO_PEER, nl.link(index, inside, up=False))
    kind = nl.text(nl.IFLA_INFO_KIND, "veth") + nl.attribute(nl.IFLA_INFO_DATA, peer)
    named = nl.text(nl.IFLA_IFNAME, f"p{port}") + mtu + nl.number(nl.IFLA_MASTER, bridge)
    return nl.link(port, named + nl.attribute(nl.IFLA_LINKINFO, kind))


def _configuration(node: PlannedNode) -> Iterator[tuple[int, int, bytes]]:
    """Messages for a node: its interfaces up, its addresses, its routes."""
    indices = {interface.name: index for index, interface in enumerate(node.interfaces, _FIRST_INDEX)}
    for index in (1, *indices.values()):
        yield nl.RTM_NEWLINK, 0, nl.link(index, b"")
    for interface in node.interfaces:
        for address in interface.addresses:
            length = address.network.prefixlen
            yield nl.RTM_NEWADDR, _NEW, nl.address(indices[interface.name], address.ip, length)
    for route in node.routes:
        body = nl.route(route.to.network_address, route.to.prefixlen, route.via, indices[route.interface])
        yield nl.RTM_NEWROUTE, _NEW, body


def _of_interface(sysctl: str, node: PlannedNode) -> bool:
    """Whether a sysctl exists only once the node's interfaces do."""
    return any(f".{interface.name}." in sysctl for interface in node.interfaces)


def set_sysctls(sysctls: Iterable[tuple[str, str]]) -> None:
    """Set sysctls of the calling network namespace; on a kernel without IPv6 switching it off needs nothing."""
    for name, value in sysctls:
        path = "/proc/sys/" + name.replace(".", "/")
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, value.encode())
            finally:
                os.close(fd)
        except FileNotFoundError:
            if not name.endswith(".disable_ipv6"):
                raise OSError(2, f"this kernel has no sysctl {name}") from None
        except OSError as error:
            raise OSError(error.errno, f"sysctl {name} = {value}: {os.strerror(error.errno or 0)}") from None


def silence_listeners(node: str) -> None:
    """Have the calling network namespace send no report of multicast listeners."""
    program = shutil.which("nft", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if program is None:
        raise OSError(2, "nft is missing (package nftables): a lab with IPv6 needs it to keep segments silent at rest")
    done = subprocess.run(
        [program, "-f", "-"],
        input=_SILENT_LISTENERS,
        text=True,
        capture_output=True,
        timeout=20,
        check=False,
        preexec_fn=keep_capabilities_over_exec,
    )
    if done.returncode:
        # The first complaint is the reason; the others follow from it.
        why = done.stderr.partition("Error: ")[2].partition("\n")[0] or done.stderr.strip()
        raise OSError(1, f"nft on {node}, which keeps segments with IPv6 silent at rest: {why}")

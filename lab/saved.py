"""A lab as it was configured by hand, written as the topology that would have made it; pure."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

import yaml

from lab.errors import LabError
from lab.plan import Plan, PlannedInterface, PlannedNode, make_plan
from lab.topology import Address, AddressWithPrefix, Interface, Node, NodeFile, Prefix, Topology, parse_topology
from lab.topology.addresses import assign_macs

MOST_SUBNETS = 8  # what a topology's grammar admits
MOST_ADDRESSES = 16
LONGEST_TEXT = 65536  # characters
_USUAL_METRIC = {4: 0, 6: 1024}  # the kernel's own choice (IP6_RT_PRIO_USER in linux/ipv6_route.h)
_WORDS = frozenset({"null", "Null", "NULL", "~", ""})


@dataclass
class _Network:
    """What a topology can say of a live network: its subnets, each interface's addresses, each node's routes."""

    plan: Plan
    subnets: dict[str, list[Prefix]]
    addresses: dict[str, list[AddressWithPrefix]] = field(default_factory=dict)
    routes: dict[str, list[tuple[Prefix, Address]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def saved_topology(plan: Plan, state: Mapping[str, Any], comment: str) -> tuple[str, tuple[str, ...]]:
    """The YAML of a lab that was brought up by `plan` and is now in `state` (see `LiveLab.state`), with a comment.

    Every address is chosen, every route is written, `routing` is manual, so the file makes what is there now. With it
    come notes: what a topology cannot say, and is therefore left out or will be otherwise.
    """
    network = _Network(plan, {each.name: list(each.subnets) for each in plan.networks})
    for node in plan.nodes:
        _take_addresses(network, node, state[node.name]["addresses"])
    for node in plan.nodes:
        _take_routes(network, node, state[node.name])
    _note_missing_addresses(network)
    text = "".join(f"{line}\n" for line in _lines(network, comment))
    return text, tuple(network.notes)


def _take_addresses(network: _Network, node: PlannedNode, found: Sequence[Mapping[str, str]]) -> None:
    taken = {each.ip for addresses in network.addresses.values() for each in addresses}
    for interface in node.interfaces:
        own = network.addresses.setdefault(interface.point, [])
        for each in found:
            address = ip_interface(each["address"])
            if each["interface"] != interface.name or (address.version == 6 and address.ip.is_link_local):
                continue  # link-local ones come by themselves (RFC 4291, section 2.8)
            why = "another interface has it too" if address.ip in taken else _fit(network, interface, address)
            if len(own) == MOST_ADDRESSES:
                why = f"a topology gives an interface {MOST_ADDRESSES} addresses at most"
            if why:
                network.notes.append(f"{interface.point} has {address}, which is left out: {why}")
            else:
                own.append(address)
                taken.add(address.ip)


def _fit(network: _Network, interface: PlannedInterface, address: AddressWithPrefix) -> str:
    """Make room for an address in its network's subnets; why a topology cannot have it, else nothing."""
    subnets = network.subnets[interface.network]
    prefix = address.network
    new = prefix not in subnets
    other = next((each for own in network.subnets.values() for each in own if each.overlaps(prefix)), None)
    if new and other is not None:
        return f"its prefix {prefix} overlaps {other}"
    if new and len(subnets) == MOST_SUBNETS:
        return f"a topology gives a network {MOST_SUBNETS} prefixes at most"
    try:
        parse_topology(_smallest("host", str(prefix), str(address.ip)), "")
    except LabError as error:
        return error.problems[0].what
    if new:
        subnets.append(prefix)
    return ""


def _smallest(role: str, subnet: str, address: str) -> str:
    """The text of a topology of one node."""
    node = {"role": role, "interfaces": {"eth0": {"network": "n", "address": address}}}
    return json.dumps({"name": "smallest", "networks": {"n": {"subnet": subnet}}, "nodes": {"x": node}})


def _take_routes(network: _Network, node: PlannedNode, state: Mapping[str, Any]) -> None:
    own = [address for each in node.interfaces for address in network.addresses[each.point]]
    connected = {ip_interface(each["address"]).network for each in state["addresses"]}
    owners = {address.ip: point.partition(":")[0] for point, each in network.addresses.items() for address in each}
    routes = network.routes.setdefault(node.name, [])
    hops = Counter((each["to"], each.get("metric", 0)) for each in state["routes"] if "via" in each)
    for each in state["routes"]:
        to, metric = ip_network(each["to"]), each.get("metric", 0)
        by_itself = to in connected or (to.version == 6 and (to.is_link_local or to.is_multicast))
        several = "via" in each and hops[each["to"], metric] > 1
        if "type" in each:
            why = f"it has no next hop ({each['type']})"
        elif "via" not in each:
            why = "" if by_itself else f"it has no next hop ({each.get('interface', 'none')})"
        else:
            via = ip_address(each["via"])
            if to in connected:
                why = f"{node.name} is connected to {to}"
            elif any(to == known for known, _ in routes):
                why = "a topology gives a route one" if several else f"there is another route to {to} before it"
            elif via.version != to.version:
                why = f"its next hop {via} is of the other family"
            elif via not in owners or owners[via] == node.name:
                why = f"its next hop {via} is no neighbour's address"
            elif not any(via in address.network for address in own):
                why = f"its next hop {via} is on no network of {node.name}"
            else:
                why = ""
                routes.append((to, via))
                if metric not in (0, _USUAL_METRIC[to.version]):
                    what = f"{node.name} has a route to {to} with metric {metric}, which is saved without it"
                    network.notes.append(what)
        if why:
            left_out = f" by several next hops, of which {each['via']}" if several else ", which"
            network.notes.append(f"{node.name} has a route to {to}{left_out} is left out: {why}")


def _note_missing_addresses(network: _Network) -> None:
    """A topology gives every interface an address of each family of its network."""
    for interface in network.plan.interfaces:
        own = {address.version for address in network.addresses[interface.point]}
        for version in sorted({subnet.version for subnet in network.subnets[interface.network]} - own):
            what = f"{interface.point} has no IPv{version} address; a lab from this file gives it one"
            network.notes.append(what)


def _lines(network: _Network, comment: str) -> Iterator[str]:
    plan = network.plan
    yield from (f"# {line}" for line in comment.splitlines())
    yield f"name: {plan.name}"
    if plan.runtime:
        yield f"runtime: {plan.runtime}"
    yield "routing: manual"
    if plan.resolver:
        yield "names: dns"
        yield f"resolver: {_word(plan.resolver)}"
    yield "networks:"
    for each in plan.networks:
        subnets = [_word(str(subnet)) for subnet in network.subnets[each.name]]
        mtu = "" if each.mtu == 1500 else f", mtu: {each.mtu}"
        link = "".join(f", {key}: {text}" for key, text in each.link.texts.items())
        yield f"  {_word(each.name)}: {{subnet: {_one_or_list(subnets)}{mtu}{link}}}"
    macs = assign_macs(Topology("", (), tuple(Node(each.name, each.role, _bare(each)) for each in plan.nodes)))
    yield "nodes:"
    for node in plan.nodes:
        yield f"  {_word(node.name)}:"
        yield f"    role: {node.role}"
        yield "    interfaces:"
        for interface in node.interfaces:
            addresses = [_word(str(address.ip)) for address in network.addresses[interface.point]]
            chosen = f", address: {_one_or_list(addresses)}" if addresses else ""
            mac = "" if interface.mac == macs[node.name, interface.name] else f', mac: "{interface.mac}"'
            yield f"      {interface.name}: {{network: {_word(interface.network)}{chosen}{mac}}}"
        yield from _settings(network, node)
    routes = {node: each for node, each in network.routes.items() if each}
    if routes:
        yield "routes:"
    for node_name, found in routes.items():
        yield f"  {_word(node_name)}:"
        yield from (f"    - {{to: {_word(str(to))}, via: {_word(str(via))}}}" for to, via in found)


def _settings(network: _Network, node: PlannedNode) -> Iterator[str]:
    """The node's own sysctls, which follow those of every node, its files and its set-up commands."""
    subnet, address = ("fd00:1::/64", "fd00:1::2") if network.plan.dual else ("10.0.1.0/24", "10.0.1.2")
    every = make_plan(parse_topology(_smallest(node.role, subnet, address), "")).nodes[0].sysctls
    if own := node.sysctls[len(every) :]:
        yield "    sysctls:"
        yield from (f"      {name}: {_quoted(value)}" for name, value in own)
    texts = {file.path: text for file in node.files if (text := _text(file)) is not None}
    network.notes += [
        f"{node.name} has the file {file.path}, which is left out: it is no short text"
        for file in node.files
        if file.path not in texts
    ]
    if texts:
        yield "    files:"
        yield from (f"      {_quoted(path)}: {_quoted(text)}" for path, text in texts.items())
    if node.setup:
        yield "    setup:"
        yield from (f"      - [{', '.join(map(_quoted, command))}]" for command in node.setup)


def _text(file: NodeFile) -> str | None:
    """A file's content where a topology can hold it in its own text."""
    try:
        text = file.content.decode()
    except UnicodeDecodeError:
        return None
    return text if len(text) <= LONGEST_TEXT else None


def _bare(node: PlannedNode) -> tuple[Interface, ...]:
    """A node's interfaces as a file names them that chooses nothing."""
    return tuple(Interface(each.name, each.network) for each in node.interfaces)


def _one_or_list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"[{', '.join(words)}]"


def _word(text: str) -> str:
    """A text as a YAML scalar."""
    return _quoted(text) if ":" in text or text in _WORDS else text


def _quoted(text: str) -> str:
    """A text in double quotes, in one line, control characters escaped."""
    dumped: str = yaml.safe_dump(text, default_style='"', width=math.inf, allow_unicode=True)
    return dumped.rstrip("\n")

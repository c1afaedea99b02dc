"""What a topology must satisfy beyond its grammar: prefixes apart, addresses inside, next hops within reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

from lab.errors import Place
from lab.grammar import At, Context, Entry, Record, Refused
from lab.topology.addresses import assign_addresses, filled_by_plan, host_offsets, subnet_of
from lab.topology.links import PLAIN, PROFILES, Link
from lab.topology.model import Address, Interface, Network, Node, NodeFile, Prefix, Topology
from lab.topology.routes import read_routes

MAX_MEMBERS = 1000  # a Linux bridge has at most 1,024 ports
MAX_INTERFACES = 250  # their number is one byte of the planned MAC
RESERVED_NAMES = frozenset({"localhost", "ip6-localhost", "ip6-loopback", "ip6-allnodes", "ip6-allrouters"})
PRIVATE = "choose a private prefix, such as 10.0.1.0/24 or fd00:1::/64"
# Prefixes that no segment can use (RFC 6890).
SPECIAL = tuple(
    (ip_network(prefix), what)
    for prefix, what in (
        ("0.0.0.0/8", "this host"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/8", "loopback and reserved"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
    )
)


def build_topology(record: Record, context: Context, text: str, seen: Mapping[str, bytes]) -> Topology | None:
    """The topology of a record; None, with the problems in the context, where a rule is broken."""
    builder = _Builder(context)
    for entry in record.get("networks", ()):
        builder.add_network(entry)
    for entry in record.get("nodes", ()):
        builder.add_node(entry)
    builder.unknown_members |= "nodes" not in record.values
    builder.check_subnets()
    builder.check_members()
    _check_resolver(record, builder.nodes, context)
    topology = Topology(
        name=record.get("name", ""),
        networks=tuple(builder.networks.values()),
        nodes=tuple(builder.nodes.values()),
        routing=record.get("routing", "auto"),
        runtime=_runtime(record, builder.nodes, context),
        resolver=record.get("resolver"),
        values=dict(context.values or {}),
        source=text,
        beside=tuple(seen.items()),
    )
    addresses = None if context.problems else assign_addresses(topology)
    routes = read_routes(record.get("routes", ()), topology, addresses, context)
    return None if context.problems else replace(topology, routes=routes)


def _runtime(record: Record, nodes: Mapping[str, Node], context: Context) -> str | None:
    """What carries the lab, where the file decides it: containers where a node has an image."""
    written: str | None = record.get("runtime")
    own = next((node for node in nodes.values() if node.image), None)
    if own is None:
        return written
    if written == "netns":
        what = f"runtime: netns has no containers, and {own.name} has the image {own.image}"
        context.report(record.at("runtime"), what, "write runtime: docker, or leave it out")
    return "docker"


def _check_resolver(record: Record, nodes: Mapping[str, Node], context: Context) -> None:
    """Names by DNS need a node that answers, and a name server without them would have nobody who asks it."""
    named, resolver = record.get("names", "hosts"), record.get("resolver")
    if named == "dns" and "resolver" not in record.places:
        context.report(record.at("names"), "names: dns needs a node that answers", "add resolver: NODE")
    if named == "hosts" and resolver is not None:
        context.report(record.at("resolver"), "a resolver stands without names: dns", "add names: dns, or leave it out")
    if resolver in nodes and not nodes[resolver].interfaces:
        context.report(record.at("resolver"), f"{resolver} has no interface, so nobody can ask it", "connect it")


@dataclass
class _Builder:
    """Turns entries into networks and nodes, and complains about what they do to each other."""

    context: Context
    networks: dict[str, Network] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    subnets: list[tuple[At[Prefix], str]] = field(default_factory=list)
    network_places: dict[str, Place] = field(default_factory=dict)
    members: dict[str, list[Interface]] = field(default_factory=dict)
    unknown_members: bool = False
    addresses: dict[Address, str] = field(default_factory=dict)
    macs: dict[str, str] = field(default_factory=dict)
    lower: dict[tuple[str, str], str] = field(default_factory=dict)

    def add_network(self, entry: Entry[Record]) -> None:
        """Take a network in."""
        self._name("network", entry)
        self.network_places[entry.name] = entry.place
        self.members[entry.name] = []
        record = entry.value or Record(entry.value_place)
        subnets: tuple[At[Prefix], ...] = record.get("subnet", ())
        self.subnets += [(subnet, entry.name) for subnet in subnets]
        mtu: At[int] = record.get("mtu", At(1500, record.place))
        if mtu.value < 1280 and any(subnet.value.version == 6 for subnet in subnets):
            what = f"an MTU of {mtu.value} is too small for IPv6"
            self.context.report(mtu.place, what, "1280 at least (RFC 8200, section 5)")
        link = self._link(record)
        self.networks[entry.name] = Network(entry.name, tuple(subnet.value for subnet in subnets), mtu.value, link)

    def _link(self, record: Record) -> Link:
        """A network's link: its profile's properties, and its own keys, which win."""
        profile = PROFILES.get(record.get("profile", ""), PLAIN)
        own: dict[str, Any] = {key: record.get(key) for key in ("rate", "delay", "loss") if record.get(key) is not None}
        jitter: At[float] | None = record.get("jitter")
        link = replace(profile, **own, jitter=jitter.value if jitter else profile.jitter)
        if link.jitter > link.delay:
            what = f"a jitter of {link.jitter * 1000:g}ms is more than the delay of {link.delay * 1000:g}ms"
            place = jitter.place if jitter else record.at("delay")
            self.context.report(place, what, "a frame cannot arrive before it was sent: give a longer delay")
        return link

    def add_node(self, entry: Entry[Record]) -> None:
        """Take a node in."""
        self._name("node", entry)
        if entry.name.lower() in RESERVED_NAMES:
            what = f"{entry.name} is a name that every machine has for itself"
            self.context.report(entry.place, what, "choose another")
        record = entry.value or Record(entry.value_place)
        entries: tuple[Entry[str | Record], ...] = record.get("interfaces", ())
        if len(entries) > MAX_INTERFACES:
            self.context.report(entry.place, f"{entry.name} has {len(entries)} interfaces", f"at most {MAX_INTERFACES}")
        interfaces = [self._interface(entry.name, each) for each in entries]
        self.unknown_members |= "interfaces" not in record.values or None in interfaces
        self.nodes[entry.name] = Node(
            entry.name,
            record.get("role", "host"),
            tuple(interface for interface in interfaces if interface),
            tuple((each.name, each.value or "") for each in record.get("sysctls", ())),
            self._files(record.get("files", ())),
            record.get("image"),
            record.get("setup", ()),
        )

    def _interface(self, node: str, entry: Entry[str | Record]) -> Interface | None:
        self._name(f"interface of {node}", entry)
        if entry.value is None:
            return None
        record = entry.value
        if isinstance(record, str):
            record = Record(entry.value_place, {"network": record})
        name = record.get("network")
        if name is None or name not in self.networks:
            return None
        point = f"{node}:{entry.name}"
        chosen: tuple[At[tuple[Address, int | None]], ...] = record.get("address", ())
        good = [each.value[0] for each in chosen if self._address(each, self.networks[name], point)]
        mac: At[str] | None = record.get("mac")
        if mac and (owner := self.macs.setdefault(mac.value, point)) != point:
            what = f"{mac.value} is already the MAC of {owner}"
            self.context.report(mac.place, what, "choose another, or leave it to the plan")
        interface = Interface(entry.name, name, tuple(good), mac.value if mac else None)
        self.members[name].append(interface)
        return interface

    def _address(self, chosen: At[tuple[Address, int | None]], network: Network, point: str) -> bool:
        address, length = chosen.value
        subnet = subnet_of(network, address)
        where = f"network {network.name} ({', '.join(map(str, network.subnets))})"
        what = hint = ""
        if subnet is None:
            if network.subnets:  # else they were refused already
                what = f"{address} is outside {where}"
                near = next((each for each in network.subnets if each.version == address.version), None)
                hint = f"choose one from {_span(near)}" if near else f"it has no IPv{address.version} prefix"
        elif length not in (None, subnet.prefixlen):
            what, hint = f"/{length} differs from the prefix of {where}", f"did you mean {address}/{subnet.prefixlen}?"
        elif int(address) - int(subnet.network_address) not in host_offsets(subnet):
            first = "network" if subnet.version == 4 else "subnet-router anycast"
            kind = first if address == subnet.network_address else "broadcast"
            what, hint = f"{address} is the {kind} address of {where}", f"choose one from {_span(subnet)}"
        elif (owner := self.addresses.setdefault(address, point)) != point:
            what, hint = f"{address} is already the address of {owner}", "choose another, or leave it to the plan"
        if what:
            self.context.report(chosen.place, what, hint)
        return not what and subnet is not None

    def _files(self, entries: Sequence[Entry[str | Record]]) -> tuple[NodeFile, ...]:
        files = []
        paths = {entry.name for entry in entries}
        for entry in entries:
            parents = {entry.name[:end] for end, letter in enumerate(entry.name) if letter == "/" and end}
            if clash := parents & paths:
                self.context.report(entry.place, f"{entry.name} lies below {min(clash)}, which is a file")
            files.append(NodeFile(entry.name, self._content(entry)))
        return tuple(files)

    def _content(self, entry: Entry[str | Record]) -> bytes:
        value = entry.value
        if not isinstance(value, Record):
            return (value or "").encode()
        if "content" in value.values:
            return str(value.get("content")).encode()
        if "file" in value.values and self.context.read is not None:
            try:
                return self.context.read(value.get("file"))
            except Refused as refused:
                self.context.report(value.at("file"), refused.what, refused.hint)
        return b""

    def _name(self, kind: str, entry: Entry[Record] | Entry[str | Record]) -> None:
        """Names differ by more than their case: host names and some file systems do not tell cases apart."""
        first = self.lower.setdefault((kind, entry.name.lower()), entry.name)
        if first != entry.name:
            what = f"{entry.name} and {first} differ only in upper and lower case"
            self.context.report(entry.place, what, "rename one")

    def check_subnets(self) -> None:
        """Prefixes do not overlap; unusable ones are forgotten."""
        self.subnets = [each for each in self.subnets if self._usable(each[0])]
        usable = [(number, *each) for number, each in enumerate(self.subnets)]
        furthest: dict[int, tuple[int, At[Prefix], str]] = {}  # by family: the prefix that ends last so far
        for each in sorted(usable, key=lambda each: _range(each[1].value)):
            version, first, last = _range(each[1].value)
            before = furthest.get(version)
            if before and first <= _range(before[1].value)[2]:
                (_, one, network), (_, other, _) = sorted((before, each), key=lambda each: each[0])
                what = f"{other.value} overlaps {one.value} of network {network}"
                self.context.report(other.place, what, "prefixes of a lab must not share an address")
            if not before or last > _range(before[1].value)[2]:
                furthest[version] = each

    def _usable(self, subnet: At[Prefix]) -> bool:
        prefix = subnet.value
        what = hint = ""
        if prefix.prefixlen == 0:
            what, hint = f"{prefix} holds every address there is", PRIVATE
        elif prefix.prefixlen == prefix.max_prefixlen:
            what, hint = f"{prefix} is a single address", "a network needs at least two"
        elif special := next((each for each in SPECIAL if prefix.overlaps(each[0])), None):
            what, hint = f"{prefix} overlaps {special[0]} ({special[1]}), which no network can use", PRIVATE
        if what:
            self.context.report(subnet.place, what, hint)
        return not what

    def check_members(self) -> None:
        """Every network has members, and room for them."""
        for name, members in self.members.items():
            place = self.network_places[name]
            if not members and not self.unknown_members:
                self.context.report(place, f"no node has an interface on network {name}", "connect one, or remove it")
            if len(members) > MAX_MEMBERS:
                what = f"network {name} has {len(members)} interfaces"
                self.context.report(place, what, f"at most {MAX_MEMBERS}, the ports of a Linux bridge")
        for subnet, name in self.subnets:
            room = host_offsets(subnet.value)
            chosen = sum(a in subnet.value for member in self.members[name] for a in member.addresses)
            needed = chosen + sum(filled_by_plan(member, subnet.value) for member in self.members[name])
            if needed > room.stop - room.start:
                has = room.stop - room.start
                what = f"{subnet.value} has {has} addresses, and network {name} needs {needed}"
                self.context.report(subnet.place, what, "choose a shorter prefix length")


def _range(prefix: Prefix) -> tuple[int, int, int]:
    first = int(prefix.network_address)
    return prefix.version, first, first + prefix.num_addresses - 1


def _span(prefix: Prefix) -> str:
    offsets = host_offsets(prefix)
    return f"{prefix[offsets.start]} to {prefix[offsets.stop - 1]}"

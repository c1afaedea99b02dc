"""What may stand in a topology's file: the loader and the JSON Schema are both made of this."""

from __future__ import annotations

from lab import grammar as g
from lab.topology.links import PROFILES


def _profiles() -> str:
    return "; ".join(f"{name} is {link}" for name, link in PROFILES.items())


VALUES = g.NamedMap(
    "values by name",
    g.Text("a value's name", pattern="[A-Za-z][A-Za-z0-9_]{0,30}", hint="a letter, then letters, digits and _"),
    g.Value(drawn=False),
)
NETWORK = g.Struct(
    "a network",
    g.Key(
        "subnet",
        g.List(g.Placed(g.Prefix()), empty=False, most=8, single=True),
        "Its prefix, or a list of them, of either family",
        required=True,
    ),
    g.Key("mtu", g.Placed(g.Int(576, 9000)), "Its largest packet in bytes; 1500 by default, 1280 at least with IPv6"),
    g.Key("profile", g.Choice(*PROFILES), f"A link with a name; the keys below change it: {_profiles()}"),
    g.Key("rate", g.Rate(), "What each of its interfaces receives at most, such as 10Mbit/s"),
    g.Key("delay", g.Duration(most=10), "How long a frame takes through it, in each direction, such as 20ms"),
    g.Key("jitter", g.Placed(g.Duration(most=10)), "By how much its delay varies, up and down; the order stays"),
    g.Key("loss", g.Share(), "The share of frames that it loses, such as 1%; in every run the same ones"),
    doc="One layer-2 segment: a broadcast reaches all its members and nobody else",
)
INTERFACE = g.Struct(
    "an interface",
    g.Key("network", g.NetworkName(), "The network that it is on", required=True),
    g.Key(
        "address",
        g.List(g.Placed(g.HostAddress()), empty=False, most=16, single=True),
        "Its address, or a list of them; chosen by the plan where it is left out",
    ),
    g.Key("mac", g.Placed(g.Mac()), "Its MAC; chosen by the plan where it is left out"),
)
NODE = g.Struct(
    "a node",
    g.Key(
        "role",
        g.Choice("client", "router", "server", "host"),
        "A router forwards; the others are hosts, and their role says what they are for",
        required=True,
    ),
    g.Key(
        "interfaces",
        g.NamedMap("interfaces by name", g.InterfaceName(), g.Either(g.NetworkName(), INTERFACE), empty=False),
        "Its interfaces: `eth0: lan`, or `eth0: {network: lan, address: 10.0.1.5}`",
        required=True,
    ),
    g.Key(
        "sysctls",
        g.NamedMap("settings by name", g.Sysctl(), g.Text(longest=256)),
        "Kernel settings of the node's network namespace, such as net.ipv4.tcp_syn_retries: 1",
    ),
    g.Key(
        "files",
        g.NamedMap(
            "files by path",
            g.NodePath(),
            g.Either(
                g.Text(),
                g.Struct(
                    "a node's file",
                    g.Key("file", g.FilePath(), "A file beside the topology whose content this is"),
                    g.Key("content", g.Text(), "Its content"),
                    one_of=("file", "content"),
                ),
            ),
        ),
        "Files put into the node: `/path: text`, or `/path: {file: name}`",
    ),
    g.Key(
        "image",
        g.ImageName(),
        "With Docker alone: an image whose own program runs on the node once the lab is wired; steps see its files",
    ),
    g.Key(
        "setup",
        g.List(g.Command(), most=100),
        "Commands that lab runs on the node as its administrator, in this order, once every node is wired",
    ),
    doc="A machine of the lab",
)
ROUTE = g.Struct(
    "a route",
    g.Key("to", g.Placed(g.Prefix()), "Where it leads to; 0.0.0.0/0 or ::/0 is the default route", required=True),
    g.Key("via", g.Placed(g.Address()), "The neighbour's address that packets are handed to", required=True),
)
ROUTES = g.NamedMap("routes by node", g.NodeName(), g.List(ROUTE))
TOPOLOGY = g.Struct(
    "a topology",
    g.Key("name", g.Name(), "What it is called", required=True),
    g.Key(
        "networks",
        g.NamedMap("networks by name", g.Name("a network's name"), NETWORK, empty=False),
        "The networks by name",
        required=True,
    ),
    g.Key(
        "nodes",
        g.NamedMap("nodes by name", g.Name("a node's name"), NODE, empty=False),
        "The nodes by name",
        required=True,
    ),
    g.Key("values", VALUES, "What ${name} stands for in this file; an exercise's values of these names replace them"),
    g.Key("routes", ROUTES, "Routes by node; one to the prefix of a planned one replaces it"),
    g.Key(
        "routing",
        g.Choice("auto", "manual"),
        "auto (the default): routers know every prefix, hosts their gateway; manual: nothing but `routes`",
    ),
    g.Key("runtime", g.Choice("netns", "docker"), "What carries the lab; chosen by the machine where it is left out"),
    g.Key(
        "names",
        g.Choice("hosts", "dns"),
        "How names become addresses: by /etc/hosts in every node (hosts, the default), or by asking the resolver (dns)",
    ),
    g.Key("resolver", g.NodeName(), "The node on which a name server of lab's answers for every node; with names: dns"),
    doc="A small network: its segments, its nodes, and how packets find their way",
)

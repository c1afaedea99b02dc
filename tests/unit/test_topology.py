"""A topology's text becomes a frozen `Topology`; that broken ones are refused in words is tests/golden's to show."""

import random
import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import jsonschema
import pytest

from lab.catalog import topologies
from lab.errors import LabError
from lab.plan import make_plan, plan_from_json, plan_to_json
from lab.schema import schema
from lab.topology import Interface, Network, Node, NodeFile, Route, Topology, load_topology, parse_topology
from lab.yaml.text import parse_yaml
from tests.unit.yamldata import data_of

TEXT = """\
name: full
networks:
  lan: {subnet: [10.0.1.0/24, 'fd00:1::/64'], mtu: 1400}
  wan: {subnet: 10.0.2.0/28}
nodes:
  c:
    role: client
    interfaces: {eth0: lan}
    sysctls: {net.ipv4.tcp_syn_retries: 1}
    files: {/etc/motd: "hi\\n", /srv/key: {file: key.bin}, /srv/text: {content: yes}}
    setup: [[ip, link, show], nft list tables]
  r1: {role: router, interfaces: {eth0: lan, eth1: {network: wan, mac: '02:AA:00:00:00:01'}}}
  s: {role: server, interfaces: {eth0: {network: wan, address: [10.0.2.3/28]}}}
routes: {c: [{to: 10.0.9.0/24, via: 10.0.1.1}]}
routing: manual
runtime: docker
names: hosts
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(LabError) as caught:
        parse_topology(text, "f")
    return [str(problem) for problem in caught.value.problems]


def lines(networks: str, nodes: str, more: str = "") -> str:
    return f"name: t\nnetworks: {{{networks}}}\nnodes: {{{nodes}}}\n{more}"


def test_everything_that_can_be_said_is_kept() -> None:
    topology = parse_topology(TEXT, "f", lambda name: name.encode() + b"\0")
    lan = Network("lan", (ip_network("10.0.1.0/24"), ip_network("fd00:1::/64")), 1400)
    client = Node(
        "c",
        "client",
        (Interface("eth0", "lan"),),
        (("net.ipv4.tcp_syn_retries", "1"),),
        (NodeFile("/etc/motd", b"hi\n"), NodeFile("/srv/key", b"key.bin\0"), NodeFile("/srv/text", b"yes")),
        None,
        (("ip", "link", "show"), ("sh", "-c", "nft list tables")),
    )
    router = Node("r1", "router", (Interface("eth0", "lan"), Interface("eth1", "wan", mac="02:aa:00:00:00:01")))
    server = Node("s", "server", (Interface("eth0", "wan", (ip_address("10.0.2.3"),)),))
    assert topology == Topology(
        "full",
        (lan, Network("wan", (ip_network("10.0.2.0/28"),))),
        (client, router, server),
        (Route("c", ip_network("10.0.9.0/24"), ip_address("10.0.1.1")),),
        "manual",
        "docker",
        None,
        TEXT,
    )


def test_files_beside_are_read_and_kept(tmp_path: Path) -> None:
    (tmp_path / "key.bin").write_bytes(b"\xff\0")
    (tmp_path / "t.yaml").write_text(TEXT)
    topology = load_topology(tmp_path / "t.yaml")
    assert topology.nodes[0].files[1] == NodeFile("/srv/key", b"\xff\0")
    assert topology.beside == (("key.bin", b"\xff\0"),)


def test_all_problems_come_at_once_and_in_the_order_of_their_places() -> None:
    said = problems_of(
        "routng: x\nnodes:\n  a: {role: hosst, interfaces: {eth0: lam}}\n  a: {}\n"
        "networks:\n  lan: {subnet: 10.0.1.1/24, mtu: 5}\n"
    )
    places = [tuple(map(int, re.match(r"f:(\d+):(\d+): ", each).groups())) for each in said]  # type: ignore[union-attr]
    assert places == sorted(places)
    assert len(said) == 7, said


@pytest.mark.parametrize(
    ("networks", "nodes", "problem"),
    [
        ("n: {subnet: 10.0.0.0/31}", "a: {role: host, interfaces: {e: n}}, b: {role: host, interfaces: {e: n}}", None),
        ("n: {subnet: 10.0.0.0/30}", "a: {role: host, interfaces: {e: {network: n, address: 10.0.0.2}, f: n}}", None),
        ("n: {subnet: 'fd00::/127'}", "a: {role: host, interfaces: {e: n, f: n}}", None),
        ("n: {subnet: 'fd00::/126'}", "a: {role: host, interfaces: {e: n, f: n, g: n, h: n}}", "has 3 addresses"),
        ("n: {subnet: 'fd00::/64'}", "a: {role: host, interfaces: {e: {network: n, address: 'fd00::'}}}", "anycast"),
        ("n: {subnet: 'fd00::/128'}", "a: {role: host, interfaces: {e: n}}", "single address"),
        ("n: {subnet: '::/0'}", "a: {role: host, interfaces: {e: n}}", "every address"),
        ("n: {subnet: '::ffff:0:0/96'}", "a: {role: host, interfaces: {e: n}}", "reserved"),
        ("n: {subnet: [10.0.0.0/24, 10.0.0.0/25]}", "a: {role: host, interfaces: {e: n}}", "10.0.0.0/25 overlaps"),
        ("n: {subnet: 10.0.0.0/8}", "a: {role: host, interfaces: {e: n}}", None),
        ("n: {subnet: 10.0.0.0/24, mtu: 9000}", "a: {role: host, interfaces: {e: n}}", None),
        ("n: {subnet: 10.0.0.0/24, mtu: 9001}", "a: {role: host, interfaces: {e: n}}", "out of range"),
        ("n: {subnet: 10.0.0.0/24}, N: {subnet: 10.1.0.0/24}", "a: {role: host, interfaces: {e: n, f: N}}", "differ"),
        ("n: {subnet: 10.0.0.0/24}", "a: {role: host, interfaces: {e: n, E: n}}", "upper and lower"),
    ],
)
def test_rules_at_their_edges(networks: str, nodes: str, problem: str | None) -> None:
    if problem is None:
        parse_topology(lines(networks, nodes), "f")
    else:
        said = problems_of(lines(networks, nodes))
        assert len(said) == 1
        assert problem in said[0]


def test_overlaps_are_found_however_prefixes_are_nested() -> None:
    networks = ", ".join(
        f"n{number}: {{subnet: {subnet}}}"
        for number, subnet in enumerate(["10.0.0.0/16", "10.1.0.0/24", "10.0.200.0/24", "10.0.1.0/24", "'fd00::/64'"])
    )
    nodes = "a: {role: host, interfaces: {e0: n0, e1: n1, e2: n2, e3: n3, e4: n4}}"
    assert [each.partition(": ")[2].partition("\n")[0] for each in problems_of(lines(networks, nodes))] == [
        "10.0.200.0/24 overlaps 10.0.0.0/16 of network n0",
        "10.0.1.0/24 overlaps 10.0.0.0/16 of network n0",
    ]


@pytest.mark.parametrize(("members", "fits"), [(1000, True), (1001, False)])
def test_a_segment_has_at_most_a_thousand_members(members: int, fits: bool) -> None:
    nodes = ", ".join(f"h{number}: {{role: host, interfaces: {{eth0: n}}}}" for number in range(members))
    text = lines("n: {subnet: 10.0.0.0/16}", nodes)
    if fits:
        assert len(parse_topology(text, "f").nodes) == members
    else:
        assert "network n has 1001 interfaces" in problems_of(text)[0]


def test_a_next_hop_may_be_an_address_that_the_plan_chooses() -> None:
    networks, nodes = (
        "n: {subnet: 10.0.0.0/24}",
        "a: {role: host, interfaces: {e: n}}, r: {role: router, interfaces: {e: n}}",
    )
    parse_topology(lines(networks, nodes, "routes: {a: [{to: 10.9.0.0/24, via: 10.0.0.1}]}"), "f")
    assert (
        "no interface has the address 10.0.0.2"
        in problems_of(lines(networks, nodes, "routes: {a: [{to: 10.9.0.0/24, via: 10.0.0.2}]}"))[0]
    )


ODD = [
    *"""
~ null {} [] 0 -1 1e9 99999999999999999999 0x10 1:20 yes *a &a !!python/name:os.system !!int ' " ${port} ${ $$ [[ {a: -
--- ... ? | # % @ \0 \ufeff é \U0001f600 \ud800 <<: 10.0.0.0/0 ::/0 fd00::/129 1.2.3.4/33 ² ٣ lan eth0
""".split(),  # noqa: SIM905 - as a list it would be all quotes
    *"\t\n\x85 ",
]


def mutations(text: str, number: int, seed: int) -> list[str]:
    """Texts with one to three mistakes each: cut, put in, put in place of a word, doubled lines, lost lines."""
    rng = random.Random(seed)

    def mutated(text: str) -> str:
        start = rng.randrange(len(text))
        words = list(re.finditer(r"[\w.:/$-]+", text)) or list(re.finditer(".", text))
        rows = text.split("\n")
        row = rng.randrange(len(rows))
        word = rng.choice(words).span() if words else (0, 0)
        kind = rng.randrange(6)
        if kind == 0:
            return text[:start] + text[start + rng.randint(1, 12) :]
        if kind == 1:
            return text[:start] + rng.choice(ODD) + text[start:]
        if kind == 2:
            return text[: word[0]] + rng.choice(ODD) + text[word[1] :]
        if kind == 3:
            return text[: word[0]] + (rng.choice(words).group() if words else "") + text[word[1] :]
        return "\n".join(rows[:row] + rows[row:][:1] * rng.choice([0, 2]) + rows[row + 1 :]) + " "

    texts = []
    for _ in range(number):
        changed = text
        for _ in range(rng.randint(1, 3)):
            changed = mutated(changed)
        texts.append(changed)
    return texts


def test_two_thousand_mutations_raise_nothing_but_lab_errors() -> None:
    sources = [TEXT, *(each.path.read_text() for each in topologies())]
    survivors = 0
    said = []
    editor = jsonschema.Draft202012Validator(schema("topology"))
    for seed, source in enumerate(sources):
        for text in mutations(source, 2000 // len(sources), seed):
            try:
                plan = make_plan(parse_topology(text, "f", lambda name: b""))
            except LabError as error:
                said.append(str(error))
            else:
                assert plan_from_json(plan_to_json(plan)) == plan
                assert editor.is_valid(data_of(parse_yaml(text, "f")[0])), text
                survivors += 1
    assert all(said)
    assert all(letter.isprintable() or letter == "\n" for letter in "".join(said))
    assert 20 < survivors < 1000  # else the mutations are too harsh, or too mild

"""A lab's state written as a topology: what it makes is what was there, and what it cannot say is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lab.catalog import topologies
from lab.plan import Plan, make_plan
from lab.saved import saved_topology
from lab.topology import load_topology, parse_topology

READY_MADE = {each.name: each.path for each in topologies()}
ODD = """\
name: odd
runtime: netns
networks:
  lan: {subnet: [10.0.1.0/24, "fd00:1::/64"], mtu: 1400}
  "null": {subnet: 10.0.2.0/24}
nodes:
  a:
    role: host
    interfaces: {eth0: {network: lan, mac: "02:aa:00:00:00:01"}}
    sysctls: {net.ipv4.tcp_syn_retries: 1}
    files: {/etc/motd: "one: two\\n\\tthree 🦉\\n", "/etc/with space": ''}
    setup: [[ip, neigh, show], 'nft add table ip "x: y"; true']
  r: {role: router, interfaces: {eth0: lan, eth1: "null"}}
  "null": {role: server, interfaces: {eth0: "null"}}
"""


def state_of(plan: Plan) -> dict[str, Any]:
    """What the kernel says of a lab that nobody has touched."""
    state: dict[str, Any] = {}
    for node in plan.nodes:
        own = [(each.name, address) for each in node.interfaces for address in each.addresses]
        routes = [{"to": str(each.to), "via": str(each.via), "interface": each.interface} for each in node.routes]
        state[node.name] = {
            "addresses": [{"interface": name, "address": str(address)} for name, address in own],
            "routes": routes + [{"to": str(address.network), "interface": name} for name, address in own],
        }
    return state


def configuration(plan: Plan) -> dict[str, Any]:
    """Addresses and routes of a plan, in no order."""
    told = state_of(plan)
    return {node: {kind: {tuple(each.values()) for each in told[node][kind]} for kind in told[node]} for node in told}


def saved(plan: Plan, state: dict[str, Any]) -> tuple[Plan, tuple[str, ...]]:
    text, notes = saved_topology(plan, state, "A comment\nin two lines.")
    assert text.startswith("# A comment\n# in two lines.\n")
    topology = parse_topology(text, "saved.yaml")
    assert topology.routing == "manual"
    return make_plan(topology), notes


@pytest.mark.parametrize("name", [*READY_MADE, "odd"])
def test_an_untouched_lab_is_saved_as_itself(name: str) -> None:
    topology = load_topology(READY_MADE[name]) if name in READY_MADE else parse_topology(ODD, "")
    plan = make_plan(topology)
    again, notes = saved(plan, state_of(plan))
    assert notes == ()
    assert again == plan


@pytest.fixture
def plan() -> Plan:
    return make_plan(load_topology(READY_MADE["two-lans"]))


@pytest.mark.parametrize(
    ("node", "interface", "address", "route"),
    [
        ("client", "eth0", "10.0.1.77/24", None),
        ("client", "eth0", "10.9.9.7/24", None),
        ("r1", "eth1", "10.9.9.1/30", None),
        ("client", None, None, ("10.7.0.0/16", "10.0.1.1")),
        ("server", None, None, ("10.7.0.1/32", "10.0.2.1")),
    ],
)
def test_what_was_typed_in_is_saved(
    node: str, interface: str | None, address: str | None, route: tuple[str, str] | None, plan: Plan
) -> None:
    state = state_of(plan)
    if address:
        state[node]["addresses"].append({"interface": interface, "address": address})
    if route:
        state[node]["routes"].append({"to": route[0], "via": route[1], "interface": "eth0"})
    again, notes = saved(plan, state)
    assert notes == ()
    found = state_of(again)[node]
    if address:
        assert {"interface": interface, "address": address} in found["addresses"]
    if route:
        assert {"to": route[0], "via": route[1], "interface": "eth0"} in found["routes"]
    untouched = [each for each in configuration(plan) if each != node]
    assert {each: configuration(again)[each] for each in untouched} == {
        each: configuration(plan)[each] for each in untouched
    }


def test_what_was_taken_away_is_not_saved(plan: Plan) -> None:
    state = state_of(plan)
    state["client"]["routes"] = [each for each in state["client"]["routes"] if "via" not in each]
    state["server"]["addresses"][0]["address"] = "10.0.2.81/24"
    again, notes = saved(plan, state)
    assert notes == ()
    assert again.by_name["client"].routes == ()
    assert [str(each) for each in again.by_name["server"].interfaces[0].addresses] == ["10.0.2.81/24"]


@pytest.mark.parametrize(
    ("address", "note"),
    [
        ("10.0.0.9/8", "its prefix 10.0.0.0/8 overlaps 10.0.1.0/24"),
        ("10.0.2.9/24", "its prefix 10.0.2.0/24 overlaps 10.0.2.0/24"),
        ("10.0.1.5/25", "its prefix 10.0.1.0/25 overlaps 10.0.1.0/24"),
        ("10.0.1.10/24", "another interface has it too"),
        ("10.9.9.0/24", "network address"),
        ("10.9.9.255/24", "broadcast address"),
        ("127.0.0.5/8", "loopback"),
        ("169.254.1.1/16", "link-local"),
        ("10.9.9.9/32", "single address"),
    ],
)
def test_an_address_that_a_topology_cannot_have_is_told(address: str, note: str, plan: Plan) -> None:
    state = state_of(plan)
    state["r1"]["addresses"].append({"interface": "eth0", "address": address})
    again, notes = saved(plan, state)
    assert len(notes) == 1
    assert notes[0].startswith(f"r1:eth0 has {address}, which is left out: ")
    assert note in notes[0]
    assert again.interfaces == plan.interfaces


@pytest.mark.parametrize(
    ("route", "note"),
    [
        ({"to": "10.5.0.0/16", "type": "blackhole"}, "it has no next hop (blackhole)"),
        ({"to": "10.5.0.0/16", "interface": "eth0"}, "it has no next hop (eth0)"),
        ({"to": "10.5.0.0/16", "via": "10.0.1.99"}, "10.0.1.99 is no neighbour's address"),
        ({"to": "10.5.0.0/16", "via": "10.0.1.10"}, "10.0.1.10 is no neighbour's address"),
        ({"to": "10.5.0.0/16", "via": "10.0.2.80"}, "10.0.2.80 is on no network of client"),
        ({"to": "10.0.1.0/24", "via": "10.0.1.1"}, "client is connected to 10.0.1.0/24"),
        ({"to": "10.0.1.0/24", "type": "blackhole", "metric": 50}, "it has no next hop (blackhole)"),
        ({"to": "0.0.0.0/0", "via": "10.0.1.1", "metric": 50}, "there is another route to 0.0.0.0/0 before it"),
    ],
)
def test_a_route_that_a_topology_cannot_have_is_told(route: dict[str, Any], note: str, plan: Plan) -> None:
    state = state_of(plan)
    state["client"]["routes"].append(route)
    again, notes = saved(plan, state)
    assert len(notes) == 1
    assert notes[0].startswith(f"client has a route to {route['to']}, which is left out: ")
    assert note in notes[0]
    assert again.by_name["client"].routes == plan.by_name["client"].routes


def test_of_several_next_hops_one_is_kept_and_the_others_are_told(plan: Plan) -> None:
    state = state_of(plan)
    state["r1"]["routes"] += [
        {"to": "10.5.0.0/16", "via": via, "interface": name, "metric": 7}
        for via, name in (("10.0.1.10", "eth0"), ("10.0.2.80", "eth1"))
    ]
    again, notes = saved(plan, state)
    one, other = (note.removeprefix("r1 has a route to 10.5.0.0/16 ") for note in notes)
    assert one == "with metric 7, which is saved without it"
    assert other == "by several next hops, of which 10.0.2.80 is left out: a topology gives a route one"
    assert [(str(each.to), str(each.via)) for each in again.by_name["r1"].routes] == [("10.5.0.0/16", "10.0.1.10")]


@pytest.mark.parametrize(("to", "via", "metric", "told"), [
    ("10.5.0.0/16", "10.0.1.1", 50, True),
    ("fd00:5::/64", "fd00:1::1", 50, True),
    ("fd00:5::/64", "fd00:1::1", 1024, False),
])  # fmt: skip
def test_a_metric_of_ones_own_is_told(to: str, via: str, metric: int, told: bool) -> None:
    plan = make_plan(parse_topology(ODD, ""))
    state = state_of(plan)
    state["a"]["routes"].append({"to": to, "via": via, "interface": "eth0", "metric": metric})
    again, notes = saved(plan, state)
    note = f"a has a route to {to} with metric {metric}, which is saved without it"
    assert notes == (note,) * told
    assert (to, via) in [(str(each.to), str(each.via)) for each in again.by_name["a"].routes]


def test_an_interface_without_any_address_is_told(plan: Plan) -> None:
    state = state_of(plan)
    state["server"] = {"addresses": [], "routes": []}
    _, notes = saved(plan, state)
    assert "server:eth0 has no IPv4 address; a lab from this file gives it one" in notes


def test_what_comes_by_itself_is_not_told() -> None:
    plan = make_plan(parse_topology(ODD, ""))
    state = state_of(plan)
    state["a"]["addresses"].append({"interface": "eth0", "address": "fe80::1/64"})
    state["a"]["routes"] += [{"to": "fe80::/64", "interface": "eth0"}, {"to": "ff00::/8", "interface": "eth0"}]
    again, notes = saved(plan, state)
    assert (again, notes) == (plan, ())


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\xfe")
    text = ODD.replace('/etc/motd: "one: two\\n\\tthree 🦉\\n"', "/etc/motd: {file: f}")
    (tmp_path / "topology.yaml").write_text(text)
    plan = make_plan(load_topology(tmp_path / "topology.yaml"))
    _, notes = saved(plan, state_of(plan))
    assert notes == ("a has the file /etc/motd, which is left out: it is no short text",)

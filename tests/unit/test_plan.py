"""The plan: the same addresses, MACs, routes and settings everywhere, and a form that can be kept and read back."""

import json
import os
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from lab.catalog import Listed, topologies
from lab.errors import LabError
from lab.plan import Plan, expected_path, make_plan, next_hop, plan_from_json, plan_to_json
from lab.topology import load_topology, parse_topology

PLANS = Path(__file__).parent.parent / "golden" / "plans"


def plan_of(networks: str, nodes: str, more: str = "") -> Plan:
    return make_plan(parse_topology(f"name: t\nnetworks: {{{networks}}}\nnodes: {{{nodes}}}\n{more}", "f"))


def addresses(plan: Plan) -> dict[str, str]:
    return {each.point: " ".join(str(address) for address in each.addresses) for each in plan.interfaces}


def routes(plan: Plan, node: str) -> list[str]:
    return [f"{each.to} {each.via} {each.interface}" for each in plan.by_name[node].routes]


@pytest.mark.parametrize("listed", topologies(), ids=lambda listed: listed.name)
def test_plans_of_the_ready_made_topologies_stay_as_they_are(listed: Listed) -> None:
    said = json.dumps(plan_to_json(make_plan(load_topology(listed.path))), indent=1) + "\n"
    golden = PLANS / f"{listed.name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()


def test_routers_come_first_and_hosts_leave_room_for_them() -> None:
    plan = plan_of(
        "n: {subnet: [10.0.2.0/24, 'fd00:2::/64']}",
        "h1: {role: host, interfaces: {e: n}}, r1: {role: router, interfaces: {e: n}}, "
        "h2: {role: host, interfaces: {e: n}}, "
        "r2: {role: router, interfaces: {e: n}}",
    )
    assert addresses(plan) == {
        "h1:e": "10.0.2.10/24 fd00:2::a/64",
        "r1:e": "10.0.2.1/24 fd00:2::1/64",
        "h2:e": "10.0.2.11/24 fd00:2::b/64",
        "r2:e": "10.0.2.2/24 fd00:2::2/64",
    }


def test_chosen_addresses_are_kept_and_stepped_around() -> None:
    plan = plan_of(
        "n: {subnet: [10.0.2.0/24, 'fd00:2::/64']}",
        "r1: {role: router, interfaces: {e: n}}, h1: {role: host, interfaces: {e: n}}, "
        "h2: {role: host, interfaces: {e: {network: n, address: 10.0.2.1}, "
        "f: {network: n, address: [10.0.2.10, 'fd00:2::a']}}}",
    )
    assert addresses(plan) == {
        "r1:e": "10.0.2.2/24 fd00:2::1/64",
        "h1:e": "10.0.2.11/24 fd00:2::b/64",
        "h2:e": "10.0.2.1/24 fd00:2::c/64",
        "h2:f": "10.0.2.10/24 fd00:2::a/64",
    }


@pytest.mark.parametrize(
    ("subnet", "hosts"),
    [
        ("10.0.0.0/30", ["10.0.0.2"]),
        ("10.0.0.0/28", ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13", "10.0.0.14", "10.0.0.2"]),
    ],
)
def test_small_subnets_are_filled_from_the_lowest_free_address(subnet: str, hosts: list[str]) -> None:
    nodes = ", ".join(f"h{number}: {{role: host, interfaces: {{e: n}}}}" for number in range(len(hosts)))
    plan = plan_of(f"n: {{subnet: {subnet}}}", f"r: {{role: router, interfaces: {{e: n}}}}, {nodes}")
    assert [str(each.addresses[0].ip) for each in plan.interfaces] == ["10.0.0.1", *hosts]


def test_macs_name_node_and_interface_and_never_collide() -> None:
    plan = plan_of(
        "n: {subnet: 10.0.2.0/24}",
        "a: {role: host, interfaces: {e: n, f: n}}, "
        "b: {role: host, interfaces: {e: {network: n, mac: '02:00:00:00:01:01'}, f: n}}",
    )
    assert {each.point: each.mac for each in plan.interfaces} == {
        "a:e": "02:00:00:00:01:00",
        "a:f": "02:00:01:00:01:01",
        "b:e": "02:00:00:00:01:01",
        "b:f": "02:00:00:00:02:01",
    }
    many = plan_of(
        "n: {subnet: 10.0.0.0/16}",
        ", ".join(f"h{number}: {{role: host, interfaces: {{e: n}}}}" for number in range(300)),
    )
    assert many.by_name["h299"].interfaces[0].mac == "02:00:00:01:2c:00"
    assert len(many.macs) == 300


RING = (
    "lan: {subnet: [10.0.1.0/24, 'fd00:1::/64']}, wan: {subnet: 10.0.2.0/24}, "
    "a: {subnet: 10.1.0.0/24}, b: {subnet: 10.2.0.0/24}, c: {subnet: 10.3.0.0/24}, d: {subnet: 10.4.0.0/24}"
)
# r1 reaches wan by r2 or by r3, equally far; r2 stands first in the file.
RING_NODES = (
    "h: {role: host, interfaces: {e: lan}}, r1: {role: router, interfaces: {e0: lan, e1: b, e2: a}}, "
    "r2: {role: router, interfaces: {e0: a, e1: c}}, r3: {role: router, interfaces: {e0: b, e1: d}}, "
    "r4: {role: router, interfaces: {e0: c, e1: d, e2: wan}}, s: {role: server, interfaces: {e: wan}}"
)


def test_routers_know_every_prefix_by_the_fewest_hops_and_ties_go_by_the_file() -> None:
    plan = plan_of(RING, RING_NODES)
    assert routes(plan, "r1") == ["10.0.2.0/24 10.1.0.2 e2", "10.3.0.0/24 10.1.0.2 e2", "10.4.0.0/24 10.2.0.2 e1"]
    assert routes(plan, "r4") == ["10.0.1.0/24 10.3.0.1 e0", "10.1.0.0/24 10.3.0.1 e0", "10.2.0.0/24 10.4.0.1 e1"]
    assert routes(plan, "h") == ["0.0.0.0/0 10.0.1.1 e", "::/0 fd00:1::1 e"]
    assert routes(plan, "s") == ["0.0.0.0/0 10.0.2.1 e"]


def test_a_host_between_two_segments_is_no_way_through() -> None:
    plan = plan_of(
        "a: {subnet: 10.1.0.0/24}, b: {subnet: 10.2.0.0/24}, c: {subnet: 10.3.0.0/24}",
        "r1: {role: router, interfaces: {e0: a}}, h: {role: host, interfaces: {e0: c, e1: a, e2: b}}, "
        "r2: {role: router, interfaces: {e0: b}}",
    )
    assert routes(plan, "r1") == []
    assert routes(plan, "h") == ["0.0.0.0/0 10.1.0.1 e1"]


@pytest.mark.parametrize(
    ("routing", "expected"),
    [
        (
            "auto",
            [
                "10.0.2.0/24 10.2.0.2 e1",
                "10.3.0.0/24 10.1.0.2 e2",
                "10.4.0.0/24 10.2.0.2 e1",
                "10.9.0.0/16 10.2.0.2 e1",
            ],
        ),
        ("manual", ["10.9.0.0/16 10.2.0.2 e1", "10.0.2.0/24 10.2.0.2 e1"]),
    ],
)
def test_chosen_routes_add_and_replace(routing: str, expected: list[str]) -> None:
    chosen = "routes: {r1: [{to: 10.9.0.0/16, via: 10.2.0.2}, {to: 10.0.2.0/24, via: 10.2.0.2}]}\n"
    plan = plan_of(RING, RING_NODES, f"{chosen}routing: {routing}")
    assert routes(plan, "r1") == expected
    assert bool(routes(plan, "h")) is (routing == "auto")


def test_settings_are_pinned_and_the_nodes_own_come_last() -> None:
    plan = plan_of(
        "n: {subnet: 10.0.2.0/24}",
        "r: {role: router, interfaces: {e: n}}, h: {role: host, sysctls: {net.ipv4.ip_forward: 1}, interfaces: {e: n}}",
    )
    router, host = (dict(node.sysctls) for node in plan.nodes)
    assert plan.nodes[0].sysctls[0] == ("net.ipv4.ip_forward", "1")
    assert plan.nodes[1].sysctls[0] == ("net.ipv4.ip_forward", "0")
    assert plan.nodes[1].sysctls[-1] == ("net.ipv4.ip_forward", "1")
    for settings in (router, host):
        assert settings["net.ipv4.ip_local_port_range"] == "32768 60999"
        for name in ("rp_filter", "arp_ignore", "accept_redirects", "send_redirects"):
            assert settings[f"net.ipv4.conf.all.{name}"] == settings[f"net.ipv4.conf.default.{name}"] == "0"
        assert settings["net.ipv6.conf.all.disable_ipv6"] == settings["net.ipv6.conf.default.disable_ipv6"] == "1"
        assert not any("forwarding" in name for name in settings)


def test_a_lab_with_ipv6_has_it_quiet_and_routed() -> None:
    plan = plan_of(
        "n: {subnet: 'fd00::/64'}", "r: {role: router, interfaces: {e: n}}, h: {role: host, interfaces: {e: n}}"
    )
    router, host = (dict(node.sysctls) for node in plan.nodes)
    assert plan.dual
    assert (router["net.ipv6.conf.all.forwarding"], host["net.ipv6.conf.all.forwarding"]) == ("1", "0")
    for name in ("accept_dad", "dad_transmits", "router_solicitations", "accept_ra", "autoconf"):
        assert router[f"net.ipv6.conf.all.{name}"] == host[f"net.ipv6.conf.default.{name}"] == "0"
    assert not any("disable_ipv6" in name for name in host)


def test_every_node_has_the_same_hosts_with_every_address() -> None:
    plan = plan_of(
        "n: {subnet: [10.0.1.0/24, 'fd00::/64']}, m: {subnet: 10.0.2.0/24}",
        "r: {role: router, interfaces: {e: n, f: m}}, h: {role: host, interfaces: {e: m}}",
    )
    assert plan.nodes[0].hosts == plan.nodes[1].hosts
    assert plan.nodes[0].hosts == (
        ("127.0.0.1", ("localhost",)),
        ("::1", ("localhost", "ip6-localhost", "ip6-loopback")),
        ("10.0.1.1", ("r",)),
        ("fd00::1", ("r",)),
        ("10.0.2.1", ("r",)),
        ("10.0.2.10", ("h",)),
    )


def test_a_plan_goes_through_json_without_loss() -> None:
    plan = plan_of(
        "n: {subnet: [10.0.1.0/24, 'fd00::/64'], mtu: 1300}",
        "r: {role: router, interfaces: {e: n}}, "
        'h: {role: host, files: {/a: "\\xFF\\0"}, setup: [[a, b]], interfaces: {e: n}}',
        "runtime: netns",
    )
    again = plan_from_json(json.loads(json.dumps(plan_to_json(plan))))
    assert again == plan
    assert again.interfaces[0].addresses[0] == ip_interface("10.0.1.1/24")
    for broken in ({}, {**plan_to_json(plan), "nodes": [{}]}, {**plan_to_json(plan), "networks": 5}):
        with pytest.raises(LabError, match="not a plan"):
            plan_from_json(broken)


def test_the_next_hop_is_found_by_the_longest_prefix() -> None:
    chosen = "routes: {r1: [{to: 10.0.2.128/25, via: 10.2.0.2}]}\n"
    plan = plan_of(RING, RING_NODES, chosen)

    def hop(node: str, address: str) -> str | None:
        found = next_hop(plan, node, ip_address(address))
        return found.point if found else None

    assert hop("h", "10.0.2.10") == "r1:e0"
    assert hop("r1", "10.0.2.10") == "r2:e0"
    assert hop("r1", "10.0.2.200") == "r3:e0"
    assert hop("r1", "10.0.1.10") == "h:e"
    assert hop("r1", "10.0.1.99") is None
    assert hop("r1", "10.0.1.1") is None
    assert hop("r1", "192.0.2.1") is None
    assert hop("s", "fd00:1::1") is None


def test_the_expected_path_goes_hop_by_hop() -> None:
    plan = plan_of(RING, RING_NODES)

    def path(start: str, address: str) -> list[str] | None:
        found = expected_path(plan, start, ip_address(address))
        return [each.point for each in found] if found else None

    assert path("h", "10.0.2.10") == ["r1:e0", "r2:e0", "r4:e0", "s:e"]
    assert path("s", "10.0.1.10") == ["r4:e2", "r2:e1", "r1:e2", "h:e"]
    assert path("h", "10.4.0.2") == ["r1:e0", "r3:e0", "r4:e1"]
    assert path("h", "192.0.2.1") is None


def test_a_loop_and_a_host_on_the_way_are_no_path() -> None:
    nodes = (
        "h: {role: host, interfaces: {e: n}}, r: {role: router, interfaces: {e: n}}, "
        "q: {role: router, interfaces: {e: n}}"
    )
    target = ip_address("10.9.0.1")
    loop = plan_of(
        "n: {subnet: 10.0.0.0/24}",
        nodes,
        "routes: {r: [{to: 10.9.0.0/24, via: 10.0.0.2}], q: [{to: 10.9.0.0/24, via: 10.0.0.1}]}",
    )
    assert expected_path(loop, "h", target) is None
    through_host = plan_of(
        "n: {subnet: 10.0.0.0/24}, m: {subnet: 10.9.0.0/24}",
        "h: {role: host, interfaces: {e: n}}, x: {role: host, interfaces: {e: n, f: m}}, "
        "t: {role: host, interfaces: {e: m}}",
        "routes: {h: [{to: 10.9.0.0/24, via: 10.0.0.11}]}",
    )
    assert next_hop(through_host, "x", ip_address("10.9.0.11")) is not None
    assert expected_path(through_host, "h", ip_address("10.9.0.11")) is None
    own = expected_path(through_host, "h", ip_address("10.9.0.10")) or ()  # an address of x on its far side
    assert [each.point for each in own] == ["x:e"]

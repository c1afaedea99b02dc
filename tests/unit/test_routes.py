"""Routes that a student hands in: what a kernel would take is applied, what is wrong is told."""

from lab.plan import make_plan
from lab.topology import parse_topology
from lab.topology.routes import apply_routes

TOPOLOGY = parse_topology(
    """
name: t
networks: {lan: {subnet: 10.0.1.0/24}, mid: {subnet: 10.0.12.0/24}, wan: {subnet: 10.0.2.0/24}}
nodes:
  client: {role: client, interfaces: {eth0: lan}}
  r1: {role: router, interfaces: {eth0: lan, eth1: mid}}
  r2: {role: router, interfaces: {eth0: wan, eth1: mid}}
  server: {role: server, interfaces: {eth0: wan}}
routing: manual
routes: {client: [{to: 0.0.0.0/0, via: 10.0.1.1}], server: [{to: 10.0.1.0/24, via: 10.0.2.1}]}
""",
    "t.yaml",
)


def applied(text: str) -> tuple[dict[str, list[str]], list[str]]:
    topology, problems = apply_routes(TOPOLOGY, text, "routes.yaml")
    plan = make_plan(topology)
    routes = {node.name: [f"{each.to} {each.via} {each.interface}" for each in node.routes] for node in plan.nodes}
    return routes, [str(problem) for problem in problems]


def test_good_routes_are_added_and_replace_those_to_the_same_prefix() -> None:
    routes, problems = applied("r1: [{to: 10.0.2.0/24, via: 10.0.12.2}]\nserver:\n- {to: 10.0.1.0/24, via: 10.0.2.1}\n")
    assert problems == []
    assert routes == {
        "client": ["0.0.0.0/0 10.0.1.1 eth0"],
        "r1": ["10.0.2.0/24 10.0.12.2 eth1"],
        "r2": [],
        "server": ["10.0.1.0/24 10.0.2.1 eth0"],
    }


def test_what_a_kernel_would_refuse_is_left_out_and_told_while_the_rest_is_applied() -> None:
    routes, problems = applied(
        "r1:\n"
        "- {to: 10.0.2.0/24, via: 10.0.2.1}\n"  # on no segment of r1
        "- {to: 10.0.1.0/24, via: 10.0.12.2}\n"  # connected
        "- {to: 10.0.9.0/24, via: 10.0.12.1}\n"  # r1's own
        "- {to: 10.0.8.0/24, via: 10.0.12.99}\n"  # nobody's: the kernel takes it
        "- {to: 10.0.7.0/24, via: 10.0.12.2}\n"
        "- {to: 10.0.7.0/24, via: 10.0.12.2}\n"
        "rr: []\n"
    )
    assert routes["r1"] == ["10.0.8.0/24 10.0.12.99 eth1", "10.0.7.0/24 10.0.12.2 eth1"]
    assert [problem.partition("\n")[0] for problem in problems] == [
        "routes.yaml:2:26: next hop 10.0.2.1 is on no network of r1",
        "routes.yaml:3:8: 10.0.1.0/24 is connected to r1 by eth0",
        "routes.yaml:4:26: next hop 10.0.12.1 is r1's own address",
        "routes.yaml:5:26: no interface has the address 10.0.12.99",
        "routes.yaml:7:8: r1 has two routes to 10.0.7.0/24",
        "routes.yaml:8:1: there is no node rr",
    ]


def test_a_file_that_is_no_yaml_changes_nothing() -> None:
    for text in ("", "r1: [", "- a\n", "\0"):
        topology, problems = apply_routes(TOPOLOGY, text, "routes.yaml")
        assert topology is TOPOLOGY
        assert len(problems) == 1


def test_routes_hold_no_commands() -> None:
    """What lab would run as a node's administrator is the teacher's alone."""
    for text in ("r1: {setup: [[ip, link]]}\n", "r1: [{setup: [[ip, link]]}]\n", "setup: [[ip, link]]\n"):
        topology, problems = apply_routes(TOPOLOGY, text, "routes.yaml")
        assert problems
        assert not any(node.setup for node in topology.nodes)


def test_a_route_without_next_hop_is_told() -> None:
    routes, problems = applied("r1: [{to: 10.0.2.0/24}]\nr2: {to: 10.0.1.0/24}\n")
    assert routes["r1"] == routes["r2"] == []
    assert [problem.partition("\n")[0] for problem in problems] == [
        "routes.yaml:1:6: a route needs the key via",
        "routes.yaml:2:5: expected a list (each a route), found a mapping",
    ]

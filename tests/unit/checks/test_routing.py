"""Where routes lead nowhere, that is the one cause of all that fails for it."""

import pytest
from doctored import PORT, Story, probe

from lab.checks import Path, Reach, TcpHandshake
from lab.checks.routing import misrouted, one_way
from lab.exercise import Graded
from lab.grade import judge
from lab.plan import Plan, make_plan
from lab.topology import parse_topology

RING = """
name: ring
routing: manual
networks:
  lan: {subnet: 10.0.1.0/24}
  mid: {subnet: 10.0.3.0/24}
  wan: {subnet: 10.0.2.0/24}
nodes:
  client: {role: client, interfaces: {eth0: {network: lan, address: 10.0.1.10}}}
  other:  {role: host, interfaces: {eth0: {network: lan, address: 10.0.1.11}}}
  r1:     {role: router, interfaces: {eth0: {network: lan, address: 10.0.1.1}, eth1: {network: mid, address: 10.0.3.1}}}
  r2:     {role: router, interfaces: {eth0: {network: mid, address: 10.0.3.2}, eth1: {network: wan, address: 10.0.2.1}}}
  server: {role: server, interfaces: {eth0: {network: wan, address: 10.0.2.80}}}
routes:
"""
CLIENT = "  client: [{to: 0.0.0.0/0, via: 10.0.1.1}]\n"
R1 = "  r1: [{to: 10.0.2.0/24, via: 10.0.3.2}]\n"
R2 = "  r2: [{to: 10.0.1.0/24, via: 10.0.3.1}]\n"
SERVER = "  server: [{to: 0.0.0.0/0, via: 10.0.2.1}]\n"


def plan(*routes: str) -> Plan:
    return make_plan(parse_topology(RING + "".join(routes), "topology.yaml"))


CASES = {
    "whole": ((CLIENT, R1, R2, SERVER), None),
    "none at the client": ((R1, R2, SERVER), "client has no route to server"),
    "none at r1": ((CLIENT, R2, SERVER), "r1 has no route to server"),
    "none back at r2": ((CLIENT, R1, SERVER), "r2 has no route to client"),
    "none back at the server": ((CLIENT, R1, R2), "server has no route to client"),
    "a circle": (
        (CLIENT, R1, "  r2: [{to: 10.0.2.80/32, via: 10.0.3.1}, {to: 10.0.1.0/24, via: 10.0.3.1}]\n", SERVER),
        "packets for server go round in a circle: r1 → r2 → r1",  # the longer prefix wins over the connected one
    ),
    "a circle back": (
        (CLIENT, R1, "  r2: [{to: 10.0.1.0/24, via: 10.0.2.80}]\n", SERVER),
        "packets for client go round in a circle: server → r2 → server",
    ),
    "over a host": (
        ("  client: [{to: 0.0.0.0/0, via: 10.0.1.11}]\n", R1, R2, SERVER),
        "client sends packets for server to other, which is no router",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_routes_say(name: str) -> None:
    routes, text = CASES[name]
    story = Story(plan(*routes))
    cause = misrouted(story.evidence(), "client", "server")
    assert (cause.text if cause else None) == text


@pytest.mark.parametrize("name", [name for name, (_, text) in CASES.items() if text])
def test_one_cause_for_all_that_failed_for_it(name: str) -> None:
    routes, text = CASES[name]
    story = Story(plan(*routes))
    evidence = story.evidence(
        Graded("there", Path(source="client", to="server", via=("r1", "r2")), 1),
        Graded("back", Path(source="server", to="client", via=("r2", "r1")), 1),
        Graded("opened", TcpHandshake(source="client", to="server", port=PORT), 1),
        Graded("reached", Reach(source="client", to="server"), 1),
        probes=(probe("silence"),),
    )
    (root,) = judge(evidence).causes
    assert root.cause.text == text
    assert set(root.checks) == {"there", "back", "opened", "reached"}


def test_a_way_that_is_whole_is_not_blamed_for_the_way_back() -> None:
    assert one_way(plan(CLIENT, R1), "client", "server") is None
    assert one_way(plan(CLIENT, R1), "server", "client") is not None


@pytest.mark.parametrize(("source", "to"), [("client", "client"), ("client", "nobody"), ("nobody", "client")])
def test_odd_pairs_say_nothing(source: str, to: str) -> None:
    assert misrouted(Story(plan(CLIENT)).evidence(), source, to) is None

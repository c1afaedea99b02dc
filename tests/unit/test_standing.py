"""A lab that stands is judged only where it is the exercise's network."""

from __future__ import annotations

import pytest

from lab.errors import LabError
from lab.plan import make_plan
from lab.standing import refuse_other_network
from lab.topology import parse_topology

TEXT = """\
name: t
networks: {lan: {subnet: 10.0.1.0/24}, wan: {subnet: 10.0.2.0/24}}
nodes:
  a: {role: host, interfaces: {eth0: lan}}
  b: {role: host, interfaces: {eth0: wan}}
  r: {role: router, interfaces: {eth0: lan, eth1: wan}}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: t", "name: u"),
        ("10.0.1.0/24", "10.9.0.0/16"),
        ("eth0: lan}", "eth0: {network: lan, address: 10.0.1.9}}"),
    ],
)
def test_names_addresses_and_routes_may_differ(old: str, new: str) -> None:
    plans = [make_plan(parse_topology(text, "")) for text in (TEXT, TEXT.replace(old, new, 1))]
    refuse_other_network(*plans, "mine")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  a: {role: host", "  c: {role: host", ["lab mine has no node a", "lab mine has a node c"]),
        ("role: host", "role: client", ["a is a client in lab mine, and a host in the exercise"]),
        ("eth1: wan", "eth2: wan", ["an interface r:eth1 in the exercise", "an interface r:eth2 in lab mine"]),
        ("eth1: wan", "eth1: lan", ["r:eth1 is on lan in lab mine, and on wan in the exercise"]),
        ("eth1: wan", 'eth1: {network: wan, mac: "02:00:00:00:00:99"}', ["r:eth1 has the MAC 02:00:00:00:00:99"]),
    ],
)
def test_another_network_is_refused(old: str, new: str, told: list[str]) -> None:
    plans = [make_plan(parse_topology(text, "")) for text in (TEXT, TEXT.replace(old, new, 1))]
    with pytest.raises(LabError) as caught:
        refuse_other_network(*plans, "mine")
    assert len(caught.value.problems) == len(told)
    for problem, each in zip(caught.value.problems, told, strict=True):
        assert each in problem.what
    assert "lab up" in caught.value.problems[-1].hint

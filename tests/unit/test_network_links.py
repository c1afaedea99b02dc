"""A network's link: from its file to the plan, and back from the plan's data."""

from __future__ import annotations

import json

import pytest

from lab.errors import LabError
from lab.plan import make_plan, plan_from_json, plan_to_json
from lab.topology import Link, parse_topology

TEXT = """
name: one
networks:
  lan: {{subnet: 10.0.1.0/24{keys}}}
nodes:
  a: {{role: host, interfaces: {{eth0: lan}}}}
"""


def link_of(keys: str) -> Link:
    plan = make_plan(parse_topology(TEXT.format(keys=keys), "t.yaml"))
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    return plan.networks[0].link


@pytest.mark.parametrize(
    ("keys", "link"),
    [
        ("", Link()),
        (", rate: 10Mbit/s", Link(rate=10_000_000)),
        (", rate: 1.5kbit/s, delay: 20ms, jitter: 2ms, loss: 0.5%", Link(1500, 0.02, 0.002, 0.005)),
        (", profile: ethernet", Link(rate=100_000_000)),
        (", profile: lte, loss: 100%", Link(20_000_000, 0.025, 0.008, 1.0)),
        (", profile: wifi, loss: 0%, jitter: 0ms", Link(30_000_000, 0.003)),
    ],
)
def test_a_link_is_planned_as_it_is_written(keys: str, link: Link) -> None:
    assert link_of(keys) == link
    again = "".join(f", {key}: {text}" for key, text in link.texts.items())
    assert link_of(again) == link


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (", rate: 10", "10 is not a rate with its unit"),
        (", rate: 1bit/s", "out of range"),
        (", loss: 101%", "out of range"),
        (", delay: 11s", "too long"),
        (", jitter: 1ms", "a jitter of 1ms is more than the delay of 0ms"),
        (", profile: wifi, delay: 1ms", "a jitter of 2ms is more than the delay of 1ms"),
        (", profile: dsl", "dsl is not ethernet, wifi or lte"),
    ],
)
def test_what_no_link_can_have_is_refused(keys: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        link_of(keys)


def test_plans_without_links_are_read_as_before() -> None:
    data = plan_to_json(make_plan(parse_topology(TEXT.format(keys=""), "t.yaml")))
    assert "link" not in data["networks"][0]


@pytest.mark.parametrize("link", [{"loss": 2}, {"speed": 1}, {"rate": -1}])
def test_damaged_data_is_refused(link: dict[str, float]) -> None:
    data = plan_to_json(make_plan(parse_topology(TEXT.format(keys=", delay: 1ms"), "t.yaml")))
    data["networks"][0]["link"] = link
    with pytest.raises(LabError, match="not a plan that lab wrote"):
        plan_from_json(data)

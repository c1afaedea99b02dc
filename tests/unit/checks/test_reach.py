"""`reach`: an answer to our own probe, and no verdict without a try."""

from ipaddress import ip_address

import pytest
from doctored import PORT, Story, clean, probe, result, states

from lab.checks import Reach
from lab.checks.base import Outcome, ProbeRequest
from lab.evidence import Gap
from lab.trace.packets import ICMP, UDP

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
WAY = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
TCP = {"protocol": "tcp", "port": PORT}
DATAGRAM = {"protocol": "udp", "port": PORT}


@pytest.mark.parametrize(
    ("answer", "fields", "reachable", "not_reachable"),
    [
        ("reply", {}, P, F),
        ("silence", {}, F, P),
        ("unreachable", {}, F, P),
        ("unreachable", {"sent": 0, "error": "ENETUNREACH"}, F, P),
        ("unreachable", {"sent": 0, "error": "EPERM"}, N, N),
        ("silence", {"sent": 0}, N, N),
        ("reply", {"sent": 0}, N, N),
        ("reply", {"node": "other"}, N, N),
        ("reply", {"to": "10.0.2.1"}, N, N),
        ("reply", TCP, N, N),
    ],
)
def test_icmp(answer: str, fields: dict[str, object], reachable: Outcome, not_reachable: Outcome) -> None:
    evidence = Story().evidence(probes=(probe(answer, **fields),))
    assert Reach(source="client", to="server").judge(evidence).outcome is reachable
    assert Reach(source="client", to="server", reachable=False).judge(evidence).outcome is not_reachable


@pytest.mark.parametrize(
    ("kind", "answer", "reachable", "not_reachable"),
    [(TCP, "reply", P, F), (TCP, "refused", F, P), (TCP, "silence", F, P),
     (DATAGRAM, "reply", P, F), (DATAGRAM, "silence", F, P), (DATAGRAM, "refused", F, P)],
)  # fmt: skip
def test_ports(kind: dict[str, object], answer: str, reachable: Outcome, not_reachable: Outcome) -> None:
    evidence = Story().evidence(probes=(probe(answer, **kind),))
    assert Reach(source="client", to="server", **kind).judge(evidence).outcome is reachable
    assert Reach(source="client", to="server", reachable=False, **kind).judge(evidence).outcome is not_reachable


def test_a_port_that_was_refused_may_have_been_late() -> None:
    for ready, timed in ((True, False), (False, True)):
        evidence = Story().evidence(probes=(probe("refused", **TCP),), steps=result("server", ready=ready))
        assert Reach(source="client", to="server", **TCP).judge(evidence).timed is timed


def test_without_a_probe_there_is_no_verdict() -> None:
    verdict = Reach(source="client", to="server", reachable=False).judge(clean().evidence())
    assert verdict.outcome is N
    assert "nothing was sent" in verdict.seen


def test_a_datagram_that_arrived_was_reached_though_nobody_answered() -> None:
    story = Story()
    ends = {"src": story.address("client"), "dst": story.address("server")}
    story.send("probe", WAY, protocol=UDP, sport=40000, dport=PORT, **ends)
    evidence = story.evidence(end=dict.fromkeys(story.plan.points, 0), probes=(probe("silence", **DATAGRAM),))
    verdict = Reach(source="client", to="server", **DATAGRAM).judge(evidence)
    assert verdict.outcome is P
    assert [str(frame) for frame in verdict.frames] == ["server:eth0#1"]
    assert Reach(source="client", to="server", reachable=False, **DATAGRAM).judge(evidence).outcome is F


def test_a_refused_datagram_arrived_and_yet_reached_nobody() -> None:
    story = Story()
    ends = {"src": story.address("client"), "dst": story.address("server")}
    story.send("probe", WAY, protocol=UDP, sport=40000, dport=PORT, **ends)
    evidence = story.evidence(end=dict.fromkeys(story.plan.points, 0), probes=(probe("refused", **DATAGRAM),))
    assert Reach(source="client", to="server", **DATAGRAM).judge(evidence).outcome is F


def test_a_programs_own_datagram_before_the_end_is_not_ours() -> None:
    story = Story()
    ends = {"src": story.address("client"), "dst": story.address("server")}
    story.send("program", WAY, protocol=UDP, sport=40000, dport=PORT, **ends)
    evidence = story.evidence(probes=(probe("silence", **DATAGRAM),))
    assert Reach(source="client", to="server", **DATAGRAM).judge(evidence).outcome is F


def test_the_router_that_had_no_route_is_named() -> None:
    story = Story()
    story.send("error", WAY[:2][::-1], src="10.0.1.1", dst=story.address("client"), protocol=ICMP, sport=3, dport=0)
    ends = dict.fromkeys(story.plan.points, 0)
    evidence = story.evidence(end=ends, probes=(probe("unreachable", error="EHOSTUNREACH"),))
    verdict = Reach(source="client", to="server").judge(evidence)
    assert verdict.cause is not None
    assert verdict.cause.text == "r1 has no route to server"
    assert verdict.frames


def test_a_node_without_a_route_is_named() -> None:
    evidence = Story().evidence(probes=(probe("unreachable", sent=0, error="ENETUNREACH"),))
    verdict = Reach(source="client", to="server").judge(evidence)
    assert verdict.cause is not None
    assert verdict.cause.text == "client has no route to server"


def test_refused_looks_at_the_listeners() -> None:
    evidence = Story().evidence(probes=(probe("refused", **TCP),), states=states(("127.0.0.1", PORT)))
    verdict = Reach(source="client", to="server", **TCP).judge(evidence)
    assert verdict.cause is not None
    assert verdict.cause.kind == "wrong-address"


@pytest.mark.parametrize(("answer", "timed"), [("silence", True), ("unreachable", False)])
def test_silence_rests_on_a_time_limit(answer: str, timed: bool) -> None:
    evidence = Story().evidence(probes=(probe(answer),))
    assert Reach(source="client", to="server").judge(evidence).timed is timed


def test_a_gap_of_the_run_is_not_measured() -> None:
    evidence = Story().evidence(probes=(probe("reply"),), gaps=(Gap("the lab died", "", "lab"),))
    assert Reach(source="client", to="server").judge(evidence).outcome is N


@pytest.mark.parametrize("to", ["server", ip_address("10.0.2.80")])
def test_it_declares_its_probe(to: object) -> None:
    plan = Story().plan
    check = Reach(source="client", to=to, **TCP)  # type: ignore[arg-type]
    assert check.probes(plan) == (ProbeRequest("client", "10.0.2.80", "tcp", PORT),)
    assert check.judge(Story().evidence(probes=(probe("reply", **TCP),))).outcome is P


@pytest.mark.parametrize(
    ("fields", "key"), [({"port": 5}, "port"), ({"protocol": "tcp"}, "protocol"), ({}, None), (TCP, None)]
)
def test_a_port_belongs_to_tcp_and_udp(fields: dict[str, object], key: str | None) -> None:
    problems = list(Reach(source="client", to="server", **fields).problems())  # type: ignore[arg-type]
    assert [problem[0] for problem in problems] == ([key] if key else [])

"""`path` on a ring of three routers, where a packet can go wrong in more ways than one."""

import struct
from dataclasses import replace
from pathlib import Path as FilePath

import pytest
from doctored import Story, clean, result

from lab.checks import Path, TcpHandshake
from lab.checks.base import Outcome, Verdict
from lab.plan import Plan, make_plan
from lab.topology import load_topology
from lab.trace.packets import ICMP, UDP

TRIANGLE = FilePath(__file__).parents[3] / "topologies" / "triangle" / "topology.yaml"
LAN, SHORT, LONG_1, LONG_2, WAN = (
    ("client:eth0", "r1:eth0"), ("r1:eth1", "r2:eth1"), ("r1:eth2", "r3:eth1"), ("r3:eth0", "r2:eth2"),
    ("r2:eth0", "server:eth0"),
)  # fmt: skip
DIRECT, AROUND = LAN + SHORT + WAN, LAN + LONG_1 + LONG_2 + WAN


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_topology(TRIANGLE))


def datagram(
    plan: Plan, way: tuple[str, ...], back: bool = False, story: Story | None = None, **fields: object
) -> Story:
    story = story or Story(plan)
    ends = (story.address("client"), story.address("server"))
    src, dst = ends[::-1] if back else ends
    return story.send("packet", way, src=src, dst=dst, protocol=UDP, sport=5000, dport=7, payload=b"hi", **fields)


def error(plan: Plan, story: Story, node: str, kind: int, code: int) -> Story:
    """An ICMP error of a router, seen on the lan, about the story's packet."""
    quote = next(f for f in story.frames).raw()[14:42]
    router = str(plan.by_name[node].interfaces[0].addresses[0].ip)
    fields = {"src": router, "dst": story.address("client"), "protocol": ICMP, "sport": kind, "dport": code}
    return story.send("error", LAN[::-1], payload=struct.pack("!I", 0)[4:] + quote, **fields)


def judge(story: Story, *via: str, back: tuple[str, ...] | None = None, **fields: object) -> Verdict:
    check = Path(source="client", to="server", via=via, back=back, **fields)  # type: ignore[arg-type]
    return check.judge(story.evidence(check))


def test_the_way_is_exact(plan: Plan) -> None:
    assert judge(datagram(plan, DIRECT), "r1", "r2").outcome is Outcome.PASSED
    assert judge(datagram(plan, AROUND), "r1", "r3", "r2").outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("way", "via", "kind", "text"),
    [
        (AROUND, ("r1", "r2"), "wrong-route", "it came to r3:eth1, which is not on this way"),
        (DIRECT, ("r1", "r3", "r2"), "wrong-route", "it came to r2:eth1, which is not on this way"),
        (LAN, ("r1", "r2"), "not-forwarded", "r1 received it and did not send it on to r2"),
        (LAN[:1], ("r1", "r2"), "lost", "r1:eth0 did not receive it"),
        (DIRECT, ("r2",), "not-forwarded", "client and r2 have no network in common"),
        (DIRECT, ("r1",), "not-forwarded", "r1 and server have no network in common"),
    ],
)
def test_another_way_names_the_hop(
    plan: Plan, way: tuple[str, ...], via: tuple[str, ...], kind: str, text: str
) -> None:
    story = datagram(plan, way if len(way) > 1 else LAN)
    story.frames = story.frames[: len(way)]
    verdict = judge(story, *via)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.cause is not None
    assert verdict.cause.kind == kind
    assert verdict.timed == (kind == "lost")  # it may only have been on its way when time was up
    assert text in verdict.seen


@pytest.mark.parametrize(
    ("bad", "at", "cause"),
    [("tcp", (), "wrong-checksum"), ("ip", (), "wrong-checksum"), ("ip", SHORT + WAN, "wrong-forwarding")],
)
def test_who_sums_up_wrongly_is_blamed(plan: Plan, bad: str, at: tuple[str, ...], cause: str) -> None:
    verdict = judge(datagram(plan, DIRECT).alter("packet", bad=bad, **({"at": at} if at else {})), "r1", "r2")
    assert verdict.outcome is Outcome.FAILED
    assert verdict.cause is not None
    assert verdict.cause.kind == cause


@pytest.mark.parametrize(("kind", "code", "cause"), [(3, 0, "no-route"), (3, 1, "no-route"), (11, 0, "loop")])
def test_a_router_that_says_why(plan: Plan, kind: int, code: int, cause: str) -> None:
    story = error(plan, datagram(plan, LAN), "r1", kind, code)
    verdict = judge(story, "r1", "r2")
    assert verdict.cause is not None
    assert (verdict.cause.kind, "r1" in verdict.cause.text) == (cause, True)
    assert len(verdict.frames) == 2


def test_an_error_about_another_packet_is_not_taken(plan: Plan) -> None:
    story = error(plan, datagram(plan, LAN), "r1", 3, 0).alter("packet", ident=77)
    verdict = judge(story, "r1", "r2")
    assert verdict.cause is not None
    assert verdict.cause.kind == "not-forwarded"


def test_a_next_hop_that_nobody_has(plan: Plan) -> None:
    story = datagram(plan, LAN)
    story.arp("r1:eth1", "r2:eth1", "ask").drop("ask reply").alter("ask request", dst="10.0.12.77")
    verdict = judge(story, "r1", "r2")
    assert verdict.cause is not None
    assert verdict.cause.text == "r1 asked for the MAC of 10.0.12.77 and nobody answered"


def test_the_way_back_is_judged_only_if_asked(plan: Plan) -> None:
    story = datagram(plan, AROUND[::-1], back=True, story=datagram(plan, DIRECT))
    assert judge(story, "r1", "r2").outcome is Outcome.PASSED
    assert judge(story, "r1", "r2", back=("r2", "r3", "r1")).outcome is Outcome.PASSED
    verdict = judge(story, "r1", "r2", back=("r2", "r1"))
    assert verdict.cause is not None
    assert verdict.cause.text == "r2 sent packets for client to r3, not to r1"


def test_also_seen_elsewhere(plan: Plan) -> None:
    story = datagram(plan, DIRECT)
    stray = datagram(plan, LONG_1, ident=story.frames[0].ident, ttl=63).frames
    story.frames += stray
    verdict = judge(story, "r1", "r2")
    assert verdict.outcome is Outcome.FAILED
    assert "also seen at" in verdict.seen


def test_a_frame_that_a_bystander_overheard_is_no_detour() -> None:
    story = clean()
    overheard = [f for f in story.frames if f.name == "question" and f.point == "client:eth0"]
    story.frames += [replace(f, point="other:eth0") for f in overheard]
    assert judge(story, "r1").outcome is Outcome.PASSED


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [({"protocol": "udp"}, Outcome.PASSED), ({"port": 7}, Outcome.PASSED), ({"port": 8}, Outcome.FAILED),
     ({"protocol": "tcp"}, Outcome.FAILED), ({"protocol": "icmp"}, Outcome.FAILED)],
)  # fmt: skip
def test_which_packets_are_judged(plan: Plan, fields: dict[str, object], outcome: Outcome) -> None:
    verdict = judge(datagram(plan, DIRECT), "r1", "r2", **fields)
    assert verdict.outcome is outcome
    assert (outcome is Outcome.PASSED) == ("1 packet" in verdict.seen)


def test_repeated_equal_packets_are_counted(plan: Plan) -> None:
    twice = datagram(plan, DIRECT, story=datagram(plan, DIRECT, ident=0), ident=0)
    assert judge(twice, "r1", "r2").outcome is Outcome.PASSED
    twice.frames = [f for i, f in enumerate(twice.frames) if not (i > 6 and f.point in ("r2:eth0", "server:eth0"))]
    assert judge(twice, "r1", "r2").outcome is Outcome.FAILED


def test_no_capture_on_the_way_is_not_measured(plan: Plan) -> None:
    story = datagram(plan, DIRECT)
    check = Path(source="client", to="server", via=("r1", "r2"))
    evidence = story.evidence(check, capture=("r3:eth0",), without=tuple(p for p in plan.points if p != "r3:eth0"))
    assert check.judge(evidence).outcome is Outcome.NOT_MEASURED


def test_captures_left_out_by_choice_are_said(plan: Plan) -> None:
    story = datagram(plan, DIRECT)
    check = Path(source="client", to="server", via=("r1", "r2"))
    chosen = tuple(p for p in plan.points if p not in ("client:eth0", "r2:eth0"))
    verdict = check.judge(story.evidence(check, capture=chosen, without=("client:eth0", "r2:eth0")))
    assert verdict.outcome is Outcome.PASSED
    assert "not captured: client:eth0 and r2:eth0" in verdict.seen


def test_a_fragment_of_a_changed_packet_is_found_only_by_its_identification(plan: Plan) -> None:
    """Packets without an identification look alike; nothing is said about what became of them."""
    story = datagram(plan, DIRECT, ident=0).alter("packet", at=WAN, sport=5001)
    verdict = judge(story, "r1", "r2")
    assert verdict.cause is not None
    assert verdict.cause.kind == "not-forwarded"
    verdict = judge(datagram(plan, DIRECT).alter("packet", at=WAN, sport=5001), "r1", "r2")
    assert verdict.cause is not None
    assert verdict.cause.text == "the source port of packets from client was changed to 5001 on the way"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"src": "10.0.12.1"}, "source address of packets from client was changed to r1's on the way"),
        ({"dst": "10.0.2.2"}, "destination address of packets from client was changed to 10.0.2.2's on the way"),
        ({"src": "10.0.12.1", "sport": 9}, "source address"),
        ({"dport": 9}, "destination port"),
        ({"payload": b"ho"}, "payload of packets from client was changed on the way"),
        ({"ident": 9}, "identification"),
    ],
)
def test_what_was_changed_is_said(plan: Plan, fields: dict[str, object], text: str) -> None:
    verdict = judge(datagram(plan, DIRECT).alter("packet", at=(*SHORT, *WAN), **fields), "r1", "r2")
    assert verdict.cause is not None
    assert text in verdict.cause.text


def test_two_changes_at_once_are_another_packet(plan: Plan) -> None:
    story = datagram(plan, DIRECT).alter("packet", at=(*SHORT, *WAN), payload=b"ho", dport=9)
    verdict = judge(story, "r1", "r2")
    assert verdict.cause is not None
    assert verdict.cause.kind == "not-forwarded"


def test_a_retransmission_is_not_taken_for_a_changed_packet(plan: Plan) -> None:
    story = datagram(plan, DIRECT, story=datagram(plan, LAN))
    verdict = judge(story, "r1", "r2")
    assert verdict.cause is not None
    assert verdict.cause.kind == "not-forwarded"


def test_one_router_on_one_leg_may_be_passed_twice_by_the_same_interface() -> None:
    """From client over r1 back to the same segment: r1's interface is on both links."""
    story = Story()
    ends = {"src": story.address("client"), "dst": story.address("other"), "protocol": UDP, "sport": 1, "dport": 2}
    story.send("hairpin", ("client:eth0", "r1:eth0", "r1:eth0", "other:eth0"), **ends)
    check = Path(source="client", to="other", via=("r1",))
    assert check.judge(story.evidence(check)).outcome is Outcome.PASSED
    assert Path(source="client", to="other", via=()).judge(story.evidence(check)).outcome is Outcome.FAILED


def test_a_packet_like_a_judged_one_may_come_after_the_end() -> None:
    """A kernel's resets look all alike: one after the end mark is none that was seen too often."""
    story = clean().double("last ack")
    check = Path(source="client", to="server", via=("r1",))
    end = {point: count - 1 for point, count in story.counts().items() if point != "other:eth0"}
    assert check.judge(story.evidence(check, end=end)).outcome is Outcome.PASSED
    assert check.judge(story.evidence(check)).outcome is Outcome.PASSED
    story = clean().double("last ack", at=("server:eth0",))
    assert check.judge(story.evidence(check)).outcome is Outcome.FAILED


def test_a_datagram_where_tcp_is_asked_for_is_told(plan: Plan) -> None:
    """A program that nobody answered to its datagram ends with an error, which explains nothing."""
    check = Path(source="client", to="server", via=("r1", "r2"), protocol="tcp")
    opened = TcpHandshake(source="client", to="server", port=7)
    steps = result("client", ended="exited", exit_code=1, stderr=b"TimeoutError: timed out\n")
    for others, kind in (((opened,), "udp-for-tcp"), ((), "crashed"), ((replace(opened, port=8),), "crashed")):
        verdict = check.judge(datagram(plan, DIRECT).evidence(check, *others, steps=steps))
        assert verdict.cause is not None
        assert verdict.cause.kind == kind

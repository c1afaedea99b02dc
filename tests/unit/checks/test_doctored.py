"""Clean evidence passes every check; each doctored one fails exactly the checks whose claim it breaks."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from doctored import (
    CLIENT_ISN,
    PORT,
    SERVER_ISN,
    SOURCE_PORT,
    TEXT,
    TWO_LANS,
    Frame,
    Story,
    clean,
    refused,
    result,
    states,
)

from lab.checks import Arp, Output, Path, TcpClose, TcpData, TcpHandshake
from lab.checks.base import Outcome
from lab.evidence import Evidence, Gap, Mark
from lab.exercise import Graded
from lab.grade import judge
from lab.plan import make_plan
from lab.topology import parse_topology
from lab.trace.packets import ACK, FIN, PSH, RST, SYN

ENDS = {"source": "client", "to": "server", "port": PORT}
CHECKS = (
    Graded("gateway", Arp(node="client", next_hop="r1")),
    Graded("far", Arp(node="r1", next_hop="server")),
    Graded("route", Path(source="client", to="server", via=("r1",), back=("r1",))),
    Graded("opened", TcpHandshake(**ENDS), points=2),
    Graded("echoed", TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT), points=6),
    Graded("closed", TcpClose(**ENDS, closes_first="client"), points=2),
    Graded("printed", Output(step="client", exit=0, text=TEXT)),
)
TCP = {"opened", "echoed", "closed"}
BEYOND = ("r1:eth1", "server:eth0")
NEAR = ("client:eth0", "r1:eth0")
OTHER = "02:00:00:00:02:00"

FOR_ALL = {"operation": 2, "src": "10.0.1.1", "dst": "10.0.1.1", "src_mac": clean().mac("r1:eth0"),
           "sender_mac": clean().mac("r1:eth0")}  # fmt: skip
FROM_BEYOND = FOR_ALL | {"operation": 1, "src": "10.0.2.1", "dst": "10.0.1.10"}


def spoken(**changes: object) -> Story:
    """ARP, then a conversation with these changes."""
    story = Story().arp("client:eth0", "r1:eth0", "arp").arp("r1:eth1", "server:eth0", "far arp")
    return story.talk(**changes)  # type: ignore[arg-type]


def with_frame(story: Story, before: str, **changes: object) -> Story:
    """One more frame at the client, a copy of the ARP request with changes, before a packet."""
    made = replace(next(f for f in story.frames if f.name == "arp request"), **changes)  # type: ignore[arg-type]
    at = next(i for i, f in enumerate(story.frames) if f.name == before)
    story.frames.insert(at, made)
    return story


def again(story: Story, name: str, **changes: object) -> Story:
    """A packet sent a second time right after the first, with its own identification."""
    copies = [replace(f, ident=9000, name="again", **changes) for f in story.frames if f.name == name]  # type: ignore[arg-type]
    at = max(i for i, f in enumerate(story.frames) if f.name == name) + 1
    story.frames[at:at] = copies
    return story


TOLD: dict[str, tuple[Callable[[], Story], set[str]]] = {
    # what is no fault
    "clean": (clean, set()),
    "unicast ARP repeat": (lambda: with_frame(clean(), "answer", dst_mac=clean().mac("r1:eth0")), set()),
    "ARP request repeated": (lambda: with_frame(clean(), "arp reply"), set()),
    "ARP probe": (lambda: with_frame(clean(), "arp request", src="0.0.0.0", dst="10.0.1.10"), set()),
    "ARP request in the name of an own other interface": (lambda: with_frame(clean(), "answer", **FROM_BEYOND), set()),
    "ARP announcement as a reply to all": (lambda: with_frame(clean(), "arp reply", **FOR_ALL), set()),
    "ARP announcement that comes before the reply": (
        lambda: with_frame(clean().later("arp reply", "syn", at=NEAR[:1]), "syn", **FOR_ALL), set()
    ),
    "ARP announcement": (lambda: with_frame(clean(), "syn", dst="10.0.1.10"), set()),
    "SYN retransmitted": (lambda: again(clean(), "syn"), set()),
    "question retransmitted": (lambda: again(clean(), "question"), set()),
    "four segments at the close": (lambda: split_close(), set()),
    # ARP
    "no ARP request": (lambda: clean().drop("arp request"), {"gateway"}),
    "no ARP at all": (lambda: clean().drop("arp request", "arp reply"), {"gateway"}),
    "no ARP reply": (lambda: clean().drop("arp reply", at=("client:eth0",)), {"gateway"}),
    "ARP request not broadcast": (lambda: clean().alter("arp request", dst_mac=clean().mac("r1:eth0")), {"gateway"}),
    "ARP reply broadcast": (lambda: clean().alter("arp reply", dst_mac="ff:ff:ff:ff:ff:ff"), {"gateway"}),
    "ARP reply by another": (lambda: clean().alter("arp reply", src_mac=OTHER), {"gateway"}),
    "ARP reply with two MACs": (lambda: clean().alter("arp reply", sender_mac=OTHER), {"gateway"}),
    "ARP reply for another address": (lambda: clean().alter("arp reply", src="10.0.1.99"), {"gateway"}),
    "ARP reply after the first packet": (lambda: clean().later("arp reply", "syn", at=("client:eth0",)), {"gateway"}),
    "two answers": (lambda: with_frame(clean(), "syn", operation=2, src_mac=OTHER, src="10.0.1.1"), {"gateway"}),
    "off-link address asked for": (lambda: with_frame(clean(), "syn", dst="10.0.2.80"), {"gateway"}),
    "far: no reply": (lambda: clean().drop("far arp reply", at=("r1:eth1",)), {"far"}),
    "far: wrong answer": (lambda: clean().alter("far arp reply", src_mac=OTHER), {"far"}),
    # forwarding
    "TTL not counted down": (lambda: clean().alter("question", at=BEYOND, ttl=64), {"route"}),
    "TTL counted down twice": (lambda: clean().alter("answer", at=NEAR, ttl=62), {"route"}),
    "TTL differs on one link": (lambda: clean().alter("question", at=("server:eth0",), ttl=62), {"route"}),
    "source MAC kept": (lambda: clean().alter("question", at=BEYOND, src_mac=clean().mac("client:eth0")), {"route"}),
    "frame to another MAC": (lambda: clean().alter("question", at=NEAR, dst_mac=OTHER), {"route", "gateway"}),
    "header checksum wrong": (lambda: clean().alter("question", at=("r1:eth1",), bad="ip"), {"route"}),
    "identification changed": (lambda: clean().alter("question", at=BEYOND, ident=7), {"route"}),
    "lost at r1": (lambda: clean().drop("question", at=BEYOND), {"route", "echoed"}),
    "lost on the lan": (lambda: clean().drop("question", at=("r1:eth0", *BEYOND)), {"route", "echoed"}),
    "unseen in the middle": (lambda: clean().drop("answer", at=("r1:eth1",)), {"route"}),
    "doubled by r1": (lambda: clean().double("answer ack", at=BEYOND), {"route"}),
    "acknowledgement lost": (lambda: clean().drop("answer ack", at=BEYOND), {"route"}),
    "payload changed there": (lambda: clean().alter("question", at=BEYOND, payload=b"hellO\n"), {"route", "echoed"}),
    "payload changed back": (lambda: clean().alter("answer", at=NEAR, payload=b"HELLO\n"), {"route", "echoed"}),
    "NAT": (lambda: clean().nat(), {"route", *TCP}),
    "port changed on the way": (lambda: clean().alter("syn", at=BEYOND, sport=50000), {"route", "opened"}),
    # handshake
    "refused": (refused, TCP),
    "no answer to SYN": (lambda: clean().cut_after("syn"), {"route", *TCP}),
    "no SYN": (lambda: clean().drop("syn"), TCP),
    "no SYN-ACK": (lambda: clean().drop("syn-ack"), TCP),
    "SYN-ACK before SYN": (lambda: clean().later("syn", "syn-ack"), TCP),
    "SYN-ACK acknowledges too much": (lambda: clean().alter("syn-ack", ack=CLIENT_ISN + 2), TCP),
    "SYN-ACK acknowledges the ISN": (lambda: clean().alter("syn-ack", ack=CLIENT_ISN), TCP),
    "third packet acknowledges the ISN": (lambda: clean().alter("ack", ack=SERVER_ISN), {"opened"}),
    "never confirmed": (lambda: clean().cut_after("syn-ack"), TCP),
    "SYN with FIN": (lambda: clean().alter("syn", flags=SYN | FIN), {"opened", "closed"}),
    "ISN changed on the way": (lambda: clean().alter("syn", at=BEYOND, seq=5), {"route", *TCP}),
    "source port out of range": (lambda: spoken(sport=1025), {"opened"}),
    "other port": (lambda: spoken(port=7001), TCP),
    "from another node": (lambda: spoken(source="other"), {"gateway", "route", *TCP}),
    "two connections": (lambda: clean().talk(sport=40002, isn=5, answer_isn=9, prefix="2 "), TCP),
    "SYN from a stranger's MAC": (lambda: clean().alter("syn", at=("server:eth0",), src_mac=OTHER), {"route", *TCP}),
    "SYN with a wrong checksum": (lambda: clean().alter("syn", bad="tcp"), {"route", *TCP}),
    "server saw nothing": (lambda: drop_at(clean(), "server:eth0"), {"route", *TCP}),
    "client sent nothing": (lambda: drop_at(clean(), "client:eth0"), {"gateway", "route", *TCP}),
    # data
    "nothing answered": (lambda: spoken(answered=b""), {"echoed"}),
    "too little": (lambda: spoken(answered=b"hel"), {"echoed"}),
    "too much": (lambda: spoken(answered=b"hello\nhello\n"), {"echoed"}),
    "another byte": (lambda: spoken(answered=b"hellO\n"), {"echoed"}),
    "nothing asked": (lambda: spoken(asked=b""), {"echoed"}),
    "other question": (lambda: spoken(asked=b"HELLO\n"), {"echoed"}),
    "answer of another length of payload": (lambda: clean().alter("answer", payload=b"hello"), {"echoed"}),
    "sent twice and differently": (lambda: again(clean(), "question", payload=b"HELLO\n"), {"echoed"}),
    "data checksum wrong": (lambda: clean().alter("answer", bad="tcp"), {"echoed", "route"}),
    "question never acknowledged": (lambda: clean().cut_after("question"), {"echoed", "closed"}),
    # close
    "no FIN at all": (lambda: clean().cut_after("answer ack"), {"closed"}),
    "client never closes": (lambda: clean().drop("client fin", "server fin", "last ack"), {"closed"}),
    "server never closes": (lambda: clean().cut_after("client fin"), {"closed"}),
    "last ACK missing": (lambda: clean().drop("last ack"), {"closed"}),
    "server closes first": (lambda: spoken(closes="server"), {"closed"}),
    "both close at once": (lambda: spoken(closes="both"), {"closed"}),
    "reset by the server": (lambda: clean().cut_after("client fin").alter("client fin", flags=RST | ACK), {"closed"}),
    "reset for FIN": (lambda: clean().cut_after("server fin").alter("server fin", flags=RST | ACK), {"closed"}),
    "data after FIN": (lambda: data_after_fin(), {"closed", "echoed"}),
}


def split_close() -> Story:
    story = clean()
    copies = [replace(f, name="fin ack", flags=ACK, ident=900) for f in story.frames if f.name == "server fin"]
    at = next(i for i, f in enumerate(story.frames) if f.name == "server fin")
    story.frames[at:at] = copies
    return story


def data_after_fin() -> Story:
    story = clean()
    fins = [f for f in story.frames if f.name == "server fin"]
    story.frames += [replace(f, name="more", ident=901, flags=PSH | ACK, seq=f.seq + 1, payload=b"x") for f in fins]
    return story


def drop_at(story: Story, point: str) -> Story:
    story.frames = [f for f in story.frames if f.point != point or f.operation]
    return story


def failing(evidence: Evidence, outcome: Outcome = Outcome.FAILED) -> set[str]:
    return {r.graded.id for r in judge(evidence).results if r.verdict.outcome is outcome}


@pytest.mark.parametrize("name", TOLD)
def test_exactly_these_checks_fail(name: str) -> None:
    make, wanted = TOLD[name]
    evidence = make().evidence(*CHECKS)
    assert failing(evidence) == wanted
    assert not failing(evidence, Outcome.NOT_MEASURED)


@pytest.mark.parametrize("name", TOLD)
def test_every_failure_has_a_cause_and_every_verdict_a_sentence(name: str) -> None:
    for judged in judge(TOLD[name][0]().evidence(*CHECKS)).results:
        verdict = judged.verdict
        assert verdict.seen
        assert verdict.expected
        assert verdict.rule
        assert (verdict.cause is not None) == (verdict.outcome is Outcome.FAILED)
        if verdict.outcome is Outcome.PASSED and judged.graded.id != "printed":
            assert verdict.frames
        if verdict.cause:
            assert verdict.cause.text
            assert verdict.cause.look_at


@pytest.mark.parametrize("name", TOLD)
def test_frames_exist(name: str) -> None:
    evidence = TOLD[name][0]().evidence(*CHECKS)
    for judged in judge(evidence).results:
        for ref in judged.verdict.frames:
            assert any(packet.number == ref.number for packet in evidence.captures[ref.point].packets)


def test_a_reply_may_have_been_late_though_an_announcement_came() -> None:
    story = with_frame(clean(), "arp reply", **FOR_ALL).drop("arp reply", at=NEAR[:1])
    verdict = Arp(node="client", next_hop="r1").judge(story.evidence(*CHECKS))
    assert (verdict.outcome, verdict.timed) == (Outcome.FAILED, True)
    to_all = clean().alter("arp reply", dst_mac="ff:ff:ff:ff:ff:ff")
    assert not Arp(node="client", next_hop="r1").judge(to_all.evidence(*CHECKS)).timed


SEVERAL = make_plan(parse_topology(TWO_LANS.replace("address: 10.0.2.80", "address: [10.0.2.80, 10.0.2.81]"), "t.yaml"))
SECOND = "10.0.2.81"


def of_the_second(story: Story) -> Story:
    """The far exchange about the server's second address, to which the packets then go."""

    def told(frame: Frame) -> Frame:
        return replace(frame, **{end: SECOND for end in ("src", "dst") if getattr(frame, end) == "10.0.2.80"})

    story.frames = [told(frame) for frame in story.frames]
    return story


@pytest.mark.parametrize(
    ("spoil", "outcome"),
    [
        (lambda story: story, Outcome.PASSED),
        (lambda story: story.drop("far arp reply", at=("r1:eth1",)), Outcome.FAILED),
        (lambda story: story.later("far arp reply", "syn", at=("r1:eth1",)), Outcome.FAILED),
        (lambda story: story.drop("far arp request", "far arp reply"), Outcome.FAILED),
    ],
)
def test_a_next_hop_is_asked_for_by_any_of_its_addresses(spoil: Callable[[Story], Story], outcome: Outcome) -> None:
    check, story = Arp(node="r1", next_hop="server"), spoil(of_the_second(clean()))
    verdict = check.judge(story.evidence(check, plan=SEVERAL))
    assert verdict.outcome is outcome, verdict.seen


def test_a_second_address_that_was_known_before_leaves_arp_unmeasured() -> None:
    check, story = Arp(node="r1", next_hop="server"), of_the_second(clean()).drop("far arp request", "far arp reply")
    known = states()
    known["before"]["r1"]["neighbours"] = [{"address": SECOND, "mac": story.mac("server:eth0"), "state": "stale"}]
    assert check.judge(story.evidence(check, plan=SEVERAL, states=known)).outcome is Outcome.NOT_MEASURED


TWICE = make_plan(parse_topology(TWO_LANS.replace("10.0.2.80}}", "10.0.2.80}, eth1: wan}"), "t.yaml"))


@pytest.mark.parametrize(
    ("node", "outcome"), [("server:eth1", Outcome.PASSED), ("server:eth0", Outcome.PASSED), ("r1:eth0", Outcome.FAILED)]
)
def test_a_next_hop_with_two_interfaces_there_answers_from_either(node: str, outcome: Outcome) -> None:
    check, mac, far = Arp(node="r1", next_hop="server"), TWICE.points[node].mac, TWICE.points["server:eth0"].mac
    story = Story(plan=TWICE).arp("r1:eth1", "server:eth0", "arp").talk()
    story.frames = [replace(f, dst_mac=mac) if f.dst_mac == far else f for f in story.frames]
    story.alter("arp reply", src_mac=mac, sender_mac=mac)
    verdict = check.judge(story.evidence(check))
    assert verdict.outcome is outcome, verdict.seen
    assert outcome is Outcome.FAILED or mac in verdict.seen


def marked(before: str | None, step: str) -> Evidence:
    """A step was ended by us right before a packet."""
    return clean().evidence(*CHECKS, marks=(Mark("ended", clean().counts(before), step), end()))


def known_neighbour(state: str) -> tuple[dict[str, str], ...]:
    return ({"address": "10.0.1.1", "mac": "02:00:00:00:03:00", "state": state},)


def unasked(state: str) -> Evidence:
    story = clean().drop("arp request", "arp reply")
    return story.evidence(*CHECKS, states=states(neighbours=known_neighbour(state)))


MARKED: dict[str, tuple[Callable[[], Evidence], set[str]]] = {
    "FIN of an ended server": (lambda: marked("server fin", "server"), {"closed"}),
    "FIN of an ended client": (lambda: marked("client fin", "client"), {"closed"}),
    "ended after it was done": (lambda: marked(None, "server"), set()),
    "a step of nobody's ended": (lambda: marked("server fin", "elsewhere"), set()),
    "answer after the client was ended": (lambda: marked("answer", "client"), {"echoed", "closed"}),
    "closed after the end mark": (lambda: clean().evidence(*CHECKS, end=clean().counts("client fin")), {"closed"}),
    "all after the end mark": (
        lambda: clean().evidence(*CHECKS, end=clean().counts("arp request")), {"gateway", "far", "route", *TCP}
    ),
    "empty evidence": (lambda: Story().evidence(*CHECKS), {"gateway", "far", "route", *TCP}),
    "crashed client": (lambda: clean().evidence(*CHECKS, steps=result("client", exit_code=1)), {"printed"}),
    "fixed neighbour": (lambda: unasked("permanent"), {"gateway"}),
    "flooded capture": (
        lambda: clean().evidence(*CHECKS, gaps=(Gap("flooded", "client:eth0", "submission"),)),
        {"gateway", "route", *TCP},
    ),
}  # fmt: skip


def end() -> Mark:
    return Mark("end", clean().counts())


@pytest.mark.parametrize("name", MARKED)
def test_what_counts(name: str) -> None:
    make, wanted = MARKED[name]
    assert failing(make()) == wanted


GAPS: dict[str, tuple[dict[str, object], set[str]]] = {
    "at the client": ({"gaps": (Gap("cut", "client:eth0", "lab"),)}, {"gateway", "route", *TCP}),
    "at r1": ({"gaps": (Gap("cut", "r1:eth1", "lab"),)}, {"far", "route"}),
    "at the bystander": ({"gaps": (Gap("cut", "other:eth0", "lab"),)}, set()),
    "of the run": ({"gaps": (Gap("the lab died", "", "lab"),)}, {"gateway", "far", "route", "printed", *TCP}),
    "somewhere": ({"gaps": (Gap("no tcpdump", "/usr/bin", "lab"),)}, {"gateway", "far", "route", "printed", *TCP}),
    "a capture is missing": ({"without": ("server:eth0",)}, {"route", *TCP}),
    "of the server's step": ({"gaps": (Gap("lost", "server", "lab"),)}, {"route", "gateway", *TCP} - {"gateway"}),
    "known neighbour, asked all the same": ({"states": states(neighbours=known_neighbour("stale"))}, set()),
}


@pytest.mark.parametrize("name", GAPS)
def test_gaps_of_ours_are_not_measured(name: str) -> None:
    changes, wanted = GAPS[name]
    evidence = clean().evidence(*CHECKS, **changes)
    assert failing(evidence, Outcome.NOT_MEASURED) == wanted
    assert not failing(evidence)


def test_a_known_neighbour_leaves_arp_unmeasured() -> None:
    assert failing(unasked("stale"), Outcome.NOT_MEASURED) == {"gateway"}
    assert not failing(unasked("stale"))


CHOSEN = ("client:eth0", "other:eth0", "r1:eth0", "r1:eth1")


def test_an_end_left_out_by_choice_is_said() -> None:
    evidence = clean().evidence(*CHECKS, without=("server:eth0",), capture=CHOSEN)
    assert not failing(evidence)
    assert not failing(evidence, Outcome.NOT_MEASURED)
    told = {r.graded.id: r.verdict.seen for r in judge(evidence).results}
    assert all("not captured" in told[name] for name in ("route", *TCP))


def test_source_port_is_the_nodes_own_range() -> None:
    evidence = spoken(sport=1025).evidence(TcpHandshake(**ENDS))
    evidence.states["before"]["client"]["sysctls"] = {"net.ipv4.ip_local_port_range": "1024\t2048"}
    assert not failing(evidence)


def test_source_port_constants_are_meant() -> None:
    assert 32768 <= SOURCE_PORT <= 60999

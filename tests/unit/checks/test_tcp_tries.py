"""`tcp-refused` and `tcp-timeout`: a refusal, silence, an ICMP error and an accepted connection are told apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from doctored import CLIENT_ISN, PORT, SERVER_ISN, SOURCE_PORT, Story, clean, refused, result, states

from lab.checks import TcpRefused, TcpTimeout
from lab.checks.base import Outcome, Verdict
from lab.evidence import Capture, Evidence, Gap
from lab.trace.packets import ACK, ICMP, RST, SYN, UDP

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
SECOND = 1_000_000_000


def tried(*fields: dict[str, Any], way: tuple[str, ...] = THERE) -> Story:
    """A SYN for each of these, with what is otherwise than in the first."""
    story = clean().cut_after("far arp reply")
    for number, changes in enumerate(fields):
        story.send(f"syn {number}", way, **({"src": story.address("client"), "dst": story.address("server"),
                   "sport": SOURCE_PORT, "dport": PORT, "seq": CLIENT_ISN, "flags": SYN} | changes))  # fmt: skip
    return story


def icmp(story: Story, code: int) -> Story:
    """r1's word that the destination of the last SYN is unreachable, quoting it."""
    quote = story.frames[-1].raw()[14 : 14 + 28]
    return story.send("icmp", ("r1:eth0", "client:eth0"), src="10.0.1.1", dst=story.address("client"), protocol=ICMP,
                      sport=3, dport=code, payload=quote)  # fmt: skip


def at(evidence: Evidence, *seconds: float) -> Evidence:
    """The SYNs came at these times; all else where it was."""

    def moved(capture: Capture) -> Capture:
        times = iter(seconds)
        packets = [replace(p, time=int(next(times) * SECOND)) if p.flags & (SYN | ACK) == SYN else p
                   for p in capture.packets]  # fmt: skip
        return replace(capture, packets=tuple(packets))

    return replace(evidence, captures={point: moved(capture) for point, capture in evidence.captures.items()})


def was_refused(story: Story, **changes: Any) -> Verdict:
    parts = {key: changes.pop(key) for key in ("states", "without", "gaps", "steps", "capture") if key in changes}
    check = TcpRefused(**(ENDS | changes))
    return check.judge(story.evidence(check, **parts))


def timed_out(*seconds: float, story: Story | None = None, **changes: Any) -> Verdict:
    check = TcpTimeout(**(ENDS | changes))
    return check.judge(at((story or tried(*({},) * len(seconds))).evidence(check), *seconds))


def kind(verdict: Verdict) -> str:
    assert verdict.outcome is F
    assert verdict.cause is not None
    return verdict.cause.kind


def test_a_refusal() -> None:
    verdict = was_refused(refused(), states=states(None))
    assert verdict.outcome is P
    assert verdict.seen == (
        "server answered the SYN by RST, acknowledging the client's ISN + 1: nothing listened on port 7000"
    )
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#3", "client:eth0#4"]
    assert "on 127.0.0.1 alone" in was_refused(refused(), states=states(("127.0.0.1", PORT))).seen


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"ack": CLIENT_ISN}, f"ACK {CLIENT_ISN}, where RST, ACK, 0 and {CLIENT_ISN + 1} are right"),
        ({"ack": CLIENT_ISN + 2}, "are right"),
        ({"seq": 5}, "SEQ 5"),
    ],
)
def test_a_refusal_with_wrong_numbers(fields: dict[str, int], text: str) -> None:
    verdict = was_refused(refused().alter("rst", **fields))
    assert verdict.outcome is F
    assert text in verdict.seen


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        (clean(), "accepted"),
        (tried({}), "no-answer"),
        (icmp(tried({}), 13), "icmp-unreachable"),
        (icmp(tried({}), 3), "icmp-unreachable"),
        (refused().drop("rst", at=("server:eth0", "r1:eth1")), "altered"),  # r1 said it in the server's stead
        (refused().drop("rst", at=("client:eth0", "r1:eth0")), "altered"),
        (refused().drop("syn", "rst", at=("server:eth0",)), "altered"),
        (Story(), "not-tried"),
    ],
)
def test_what_is_no_refusal(story: Story, cause: str) -> None:
    assert kind(was_refused(story)) == cause


def test_prohibited_is_said() -> None:
    assert was_refused(icmp(tried({}), 13)).seen == "r1 answered by ICMP: that it is prohibited"
    assert was_refused(icmp(tried({}), 1)).seen == "r1 answered by ICMP: unreachable"


def test_an_error_about_another_packet_is_not_about_this_one() -> None:
    story = icmp(tried({}), 13)
    story.alter("icmp", payload=bytes(28))
    assert kind(was_refused(story)) == "no-answer"


def again() -> Story:
    """A second try from another port, refused too."""
    story = refused()
    ends = {"src": story.address("client"), "dst": story.address("server")}
    story.send("syn 2", THERE, sport=50000, dport=PORT, seq=1, flags=SYN, **ends)
    return story.send("rst 2", THERE[::-1], sport=PORT, dport=50000, ack=2, flags=RST | ACK, src=ends["dst"],
                      dst=ends["src"])  # fmt: skip


@pytest.mark.parametrize(("which", "outcome"), [("only", F), ("first", P), ("every", P)])
def test_two_refusals(which: str, outcome: Outcome) -> None:
    assert was_refused(again(), connection=which).outcome is outcome


@pytest.mark.parametrize(("which", "outcome"), [("first", P), ("every", F)])
def test_a_refusal_and_then_silence(which: str, outcome: Outcome) -> None:
    assert was_refused(again().drop("rst 2"), connection=which).outcome is outcome


def test_every_try_counts_the_accepted_one_too() -> None:
    story = again().talk(sport=50001, isn=77, answer_isn=78, prefix="3 ")
    assert was_refused(story, connection="first").outcome is P
    assert kind(was_refused(story, connection="every")) == "accepted"


def test_who_used_udp_was_not_refused() -> None:
    assert kind(was_refused(tried({"protocol": UDP, "payload": b"x"}))) == "udp-for-tcp"


def test_a_crash_before_the_try_is_the_cause() -> None:
    steps = result("client", exit_code=1, stderr=b"TypeError: x\n")
    assert kind(was_refused(Story(), steps=steps)) == "crashed"


def test_gaps() -> None:
    assert was_refused(refused(), gaps=(Gap("drops", "client:eth0", "lab"),)).outcome is N
    assert was_refused(refused(), without=("client:eth0",)).outcome is N


@pytest.mark.parametrize(
    ("seconds", "outcome"),
    [
        ((0, 1, 3, 7), P),
        ((0, 1.02, 2.03, 3.04, 4.05, 6.1), P),  # Linux since 6.5
        ((0, 1.3, 2.3), P),  # a busy machine
        ((0, 1), P),
        ((0, 0.2), F),
        ((0, 3, 4), F),
    ],
)
def test_the_gaps_between_syns(seconds: tuple[float, ...], outcome: Outcome) -> None:
    assert timed_out(*seconds).outcome is outcome


def test_silence_is_told() -> None:
    verdict = timed_out(0, 1, 3)
    assert verdict.seen == (
        f"3 SYNs, each with ISN {CLIENT_ISN}, repeated after 1.0 and 2.0 s; no answer; they arrived at server, "
        "where a program listens: its backlog was full"
    )
    lost = timed_out(0, 1, story=tried({}, {}, way=THERE[:2]))
    assert lost.seen.endswith("repeated after 1.0 s; no answer")


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        (clean(), "accepted"),
        (refused(), "refused"),
        (clean().cut_after("syn-ack"), "answered"),
        (icmp(tried({}, {}), 1), "icmp-unreachable"),
        (tried({}), "gave-up"),
        (Story(), "not-tried"),
    ],
)
def test_what_is_no_silence(story: Story, cause: str) -> None:
    assert kind(timed_out(0, 1, story=story)) == cause


def test_more_syns_may_be_demanded() -> None:
    assert timed_out(0, 1, 2, syns=3).outcome is P
    assert kind(timed_out(0, 1, syns=3)) == "gave-up"
    assert timed_out(0, 1, syns=3).timed


def test_two_tries_by_hand_are_no_repetition() -> None:
    """A program that connects again sends a SYN of another connection."""
    story = tried({}, {"sport": 50000, "seq": 9})
    assert kind(timed_out(0, 1, story=story, connection="every")) == "gave-up"
    assert kind(timed_out(0, 1, story=story)) == "several-connections"
    assert kind(timed_out(0, 1, story=tried({}, {"seq": CLIENT_ISN + 100}), connection="every")) == "gave-up"


def test_an_answer_that_was_lost_on_its_way_is_none() -> None:
    story = tried({}, {})
    story.send("late", THERE[:1:-1], src=story.address("server"), dst=story.address("client"), sport=PORT,
               dport=SOURCE_PORT, seq=SERVER_ISN, ack=CLIENT_ISN + 1, flags=SYN | ACK)  # fmt: skip
    assert timed_out(0, 1, story=story).outcome is P


def test_syns_that_the_client_never_sent_are_none_of_its_tries() -> None:
    """A neighbour sends them in its name: its own capture does not have them."""
    story = tried({}, {}).drop("syn 0", "syn 1", at=THERE[:1])
    verdict = timed_out(0, 1, story=story)
    assert kind(verdict) == "altered"
    assert verdict.seen == "server saw a connection that client never opened: someone else used its address"


def test_a_refusal_by_a_neighbour_on_the_client_s_segment_is_not_the_server_s() -> None:
    story = refused().drop("syn", "rst", at=THERE[2:])
    story.alter("rst", at=("client:eth0",), src_mac=story.mac("other:eth0"))
    left = tuple(point for point in story.plan.points if point != "server:eth0")
    verdict = was_refused(story, capture=left, without=("server:eth0",))
    assert kind(verdict) == "wrong-mac"
    assert "comes from other" in verdict.seen


def test_a_refusal_acknowledges_data_that_came_with_the_syn_too() -> None:
    """RFC 9293 §3.10.7.1: the sum of the segment's sequence number and its length."""
    story = refused().alter("syn", payload=b"hi")
    assert "are right" in was_refused(story).seen
    assert was_refused(story.alter("rst", ack=CLIENT_ISN + 3)).outcome is P

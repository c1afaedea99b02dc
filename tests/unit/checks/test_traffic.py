"""`traffic`: budgets, bans and polling; nobody keeps a budget by doing nothing."""

from dataclasses import fields, replace
from typing import Any

import pytest
from doctored import PORT, Frame, Part, Story, clean, result, two_lans

from lab.checks.base import Outcome, Verdict
from lab.checks.traffic import Traffic
from lab.errors import LabError
from lab.evidence import Gap, Mark
from lab.exercise.faults import Fault
from lab.exercise.load import parse_exercise
from lab.trace.packets import ACK, ICMP, RST, SYN, UDP

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
HEAD = "version: 1\nname: x\nchecks:\n  - "
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")


def parsed(fields: str) -> Traffic:
    text = f"{HEAD}{{id: a, check: traffic, {fields}}}\n"
    check = parse_exercise(text, "exercise.yaml", lambda _: two_lans()).checks[0].check
    assert isinstance(check, Traffic)
    return check


def judge(story: Story, fields: str, **changes: Any) -> Verdict:
    check = parsed(fields)
    return check.judge(story.evidence(check, **changes))


def datagrams(story: Story, number: int, payload: bytes = b"now?", to: str = "server") -> Story:
    for _ in range(number):
        story.send("ask", THERE, src=story.address("client"), dst=story.address(to), protocol=UDP, sport=40009,
                   dport=9000, payload=payload)  # fmt: skip
    return story


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ("most: 6", P),
        ("most: 5", F),
        ("most_bytes: 1KiB", P),
        ("most_bytes: 100B", F),
        ("per_second: 6", P),
        ("per_second: 5", F),
        ("most: 6, to: server", P),
        ("most: 6, to: other", F),  # nothing was sent there, so nothing is shown
        ("never_to: other", P),
        ("never_to: [other, 10.0.3.0/24, 10.0.2.81]", P),
        ("never_to: server", F),
        ("never_to: 10.0.2.0/24", F),
        ("never_to: [10.0.9.9, 10.0.2.80]", F),
        ("never_to: 'fd00::/8'", P),
        (f"only: tcp.dstport == {PORT}", P),
        ("only: udp", F),
    ],
)
def test_limits_of_a_conversation(fields: str, outcome: Outcome) -> None:
    verdict = judge(clean(), f"from: client, {fields}")
    assert verdict.outcome is outcome, verdict.seen
    assert verdict.frames or "nothing to judge" in verdict.seen


def test_whoever_sends_nothing_has_kept_no_budget() -> None:
    verdict = judge(Story(), "from: client, never_to: other")
    assert verdict.outcome is F
    assert "nothing to judge" in verdict.seen
    crashed = result("client", exit_code=1, stderr=b"KeyError: 1\n")
    cause = judge(Story(), "from: client, most: 9", steps=crashed).cause
    assert cause is not None
    assert cause.kind == "crashed"


def test_a_router_answers_for_its_own_packets_alone() -> None:
    assert "nothing to judge" in judge(clean(), "from: r1, most: 100").seen
    assert judge(clean(), "from: server, most: 4").outcome is P


def test_a_forged_source_is_the_hosts_own_packet() -> None:
    story = clean().alter("question", src="10.7.7.7")
    assert judge(story, "from: client, only: ip.src == 10.0.1.10").outcome is F


def test_what_a_neighbour_sends_to_all_in_its_name_is_not_the_nodes() -> None:
    story, ours = datagrams(Story(), 1), Story().address("client")
    for point in ("other:eth0", "client:eth0", "r1:eth0"):
        to_all = Frame("forged", point, story.mac("other:eth0"), "ff:ff:ff:ff:ff:ff", ours, "10.0.1.255", protocol=UDP)
        story.frames.append(to_all)
    for limit in ("most: 1", "only: udp.dstport == 9000", "never_to: 10.0.1.255", "per_second: 1"):
        verdict = judge(story, f"from: client, {limit}")
        assert verdict.outcome is P, verdict.seen


def test_a_mac_that_nobody_has_hides_nothing() -> None:
    story = datagrams(Story(), 2).alter("ask", at=("client:eth0",), src_mac="02:00:00:00:66:66")
    assert judge(story, "from: client, most: 2").outcome is P
    assert judge(story, "from: client, most: 1").outcome is F


def test_what_went_beyond_a_limit_is_shown_though_it_left_by_two_interfaces() -> None:
    story = Story()
    for number in range(4):
        way, to = ((("r1:eth1", "server:eth0"), "server"), (("r1:eth0", "client:eth0"), "client"))[number % 2]
        story.send("tell", way, src="10.0.2.1", dst=story.address(to), protocol=UDP, sport=9, dport=9)
    verdict = judge(story, "from: r1, most: 2")
    assert [str(frame) for frame in verdict.frames] == ["r1:eth1#2", "r1:eth0#2"]


def test_the_same_question_again_and_again_is_polling() -> None:
    verdict = judge(datagrams(Story(), 30), "from: client, most: 5")
    assert verdict.outcome is F
    assert verdict.cause is not None
    assert verdict.cause.kind == "busy-polling"
    assert "30 times it sent the same datagram to port 9000" in verdict.seen
    story = Story()
    for number in range(30):
        datagrams(story, 1, b"%d" % number)
    cause = judge(story, "from: client, per_second: 5").cause
    assert cause is not None
    assert cause.kind == "budget"


def test_connecting_again_and_again_is_polling_too() -> None:
    story = Story()
    for number in range(12):
        story.send("syn", THERE, src=story.address("client"), dst=story.address("server"), sport=40000 + number,
                   dport=PORT, seq=number, flags=SYN)  # fmt: skip
    cause = judge(story, "from: client, most: 3").cause
    assert cause is not None
    assert cause.kind == "busy-polling"


def answered(story: Story, **quote: Any) -> Story:
    """The server's answer to the client's datagrams, and the client's kernel, for which nobody waits any more."""
    back = {"src": story.address("server"), "dst": story.address("client"), "sport": 9000, "dport": 40009}
    story.send("answer", THERE[::-1], protocol=UDP, payload=b"now", **back)
    quoted = replace(next(f for f in story.frames if f.name == "answer" and f.point == "client:eth0"), **quote)
    story.send("unreachable", THERE, src=story.address("client"), dst=quoted.src, protocol=ICMP, sport=3, dport=3,
               payload=quoted.raw()[14:])  # fmt: skip
    return story


@pytest.mark.parametrize("limit", ["only: udp.dstport == 9000", "most: 2", "to: server, most: 2"])
def test_what_the_kernel_answers_by_itself_is_not_the_programs(limit: str) -> None:
    assert judge(answered(datagrams(Story(), 2)), f"from: client, {limit}").outcome is P
    assert judge(answered(datagrams(Story(), 2), dport=9), f"from: client, {limit}").outcome is F  # made up


def test_a_ban_is_not_broken_by_the_kernel() -> None:
    story = Story()
    story.send("hello", ("client:eth0", "other:eth0"), src=story.address("client"), dst=story.address("other"),
               protocol=UDP, sport=1, dport=9)  # fmt: skip
    assert judge(answered(story), "from: client, never_to: server").outcome is P


def test_whoever_lets_the_kernel_answer_alone_has_sent_nothing() -> None:
    assert "nothing to judge" in judge(answered(Story()), "from: client, most: 5").seen


def test_what_the_kernel_answers_counts_where_it_is_asked_for() -> None:
    verdict = judge(answered(datagrams(Story(), 2)), "from: client, only: udp or icmp.type == 3, most: 2")
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (F, "budget")


def test_a_reset_where_there_is_no_connection_is_the_kernels() -> None:
    story = datagrams(Story(), 1)
    ends = {"src": story.address("server"), "dst": story.address("client"), "sport": 9, "dport": 22}
    story.send("knock", THERE[::-1], flags=SYN, seq=1, **ends)
    reset = {"src": ends["dst"], "dst": ends["src"], "sport": 22, "dport": 9, "flags": RST | ACK, "ack": 2}
    assert judge(story.send("reset", THERE, **reset), "from: client, only: udp").outcome is P
    broken_off = clean().alter("client fin", flags=RST | ACK)
    assert judge(broken_off, "from: client, only: tcp.flags.reset == 0").outcome is F


def test_an_echo_reply_is_the_kernels() -> None:
    story = datagrams(Story(), 1)
    ends = {"src": story.address("server"), "dst": story.address("client"), "protocol": ICMP}
    story.send("ping", THERE[::-1], sport=8, dport=0, **ends)
    back = ends | {"src": ends["dst"], "dst": ends["src"]}
    assert judge(story.send("pong", THERE, **back), "from: client, only: udp").outcome is P
    assert judge(datagrams(Story(), 1).send("pong", THERE, **back), "from: client, only: udp").outcome is F


def in_fragments(story: Story, *kept: int, size: int = 48) -> Story:
    """Each frame in fragments, of which only some are there: by their place; all by default."""
    found: list[Any] = []
    for whole in story.frames:
        data, given = whole.raw()[34:], {each.name: getattr(whole, each.name) for each in fields(whole)}
        starts = range(0, len(data), size)
        parts = [Part(**given, part=data[at : at + size], offset=at, more=at != starts[-1]) for at in starts]
        found += [each for place, each in enumerate(parts) if not kept or place in kept]
    story.frames = found
    return story


@pytest.mark.parametrize(
    ("kept", "right", "wrong"), [((), P, F), ((0, 1), P, F), ((0,), P, F), ((1, 2), F, F), ((2,), F, F)]
)
def test_a_fragment_is_what_its_datagram_is(kept: tuple[int, ...], right: Outcome, wrong: Outcome) -> None:
    for port, outcome in ((9000, right), (9001, wrong)):
        verdict = judge(
            in_fragments(datagrams(Story(), 1, bytes(120)), *kept), f"from: client, only: udp.dstport == {port}"
        )
        assert verdict.outcome is outcome, verdict.seen
    assert f"{len(kept) or 3} packet" in verdict.seen  # each of them is of another kind
    assert judge(in_fragments(datagrams(Story(), 1, bytes(120)), *kept), "from: client, only: ip").outcome is P


def test_a_fragment_whose_first_a_fault_took_may_be_any_datagrams() -> None:
    check = parsed("from: client, only: udp.dstport == 9000")
    evidence = in_fragments(datagrams(Story(), 1, bytes(120)), 1, 2).evidence(check)
    fault = Fault("lost", "drop", network="lan", packets="udp")
    assert check.judge(replace(evidence, exercise=replace(evidence.exercise, faults=(fault,)))).outcome is P


def test_a_long_echo_reply_is_the_kernels_with_all_its_fragments() -> None:
    def pinged(ask: bool) -> Story:
        story = Story()
        ends = {"src": story.address("server"), "dst": story.address("client"), "protocol": ICMP, "payload": bytes(120)}
        if ask:
            story.send("ping", THERE[::-1], sport=8, dport=0, **ends)
        back = ends | {"src": ends["dst"], "dst": ends["src"]}
        return in_fragments(datagrams(story.send("pong", THERE, **back), 1))

    for limit in ("only: udp", "most: 1"):
        assert judge(pinged(ask=True), f"from: client, {limit}").outcome is P
        assert judge(pinged(ask=False), f"from: client, {limit}").outcome is F


def test_datagrams_that_differ_in_their_last_fragments_are_no_polling() -> None:
    story = Story()
    for number in range(12):
        datagrams(story, 1, bytes(80) + b"%08d" % number)
    cause = judge(in_fragments(story), "from: client, most: 3").cause
    assert cause is not None
    assert cause.kind == "budget"
    cause = judge(in_fragments(datagrams(Story(), 12, bytes(88))), "from: client, most: 3").cause
    assert cause is not None
    assert "12 times it sent the same datagram to port 9000" in cause.text


def test_group_membership_is_the_kernels() -> None:
    story = datagrams(Story(), 1)
    story.send("report", THERE[:2], src=story.address("client"), dst="224.0.0.22", protocol=2, payload=bytes(16))
    assert judge(story, "from: client, only: udp").outcome is P


def test_what_comes_after_the_end_or_from_a_killed_programs_kernel_does_not_count() -> None:
    assert judge(clean(), "from: client, most: 4", end=clean().counts("client fin")).outcome is P
    marks = (Mark("ended", clean().counts("client fin"), "client"), Mark("end", clean().counts()))
    assert judge(clean(), "from: client, most: 4", marks=marks).outcome is P


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"gaps": (Gap("drops", "client:eth0", "lab"),)}, N),
        ({"gaps": (Gap("flooded", "client:eth0", "submission"),)}, F),
        ({"gaps": (Gap("drops", "server:eth0", "lab"),)}, P),
        ({"without": ("client:eth0",)}, N),
        ({"without": ("client:eth0",), "capture": ("server:eth0",)}, N),
    ],
)
def test_gaps(changes: dict[str, Any], outcome: Outcome) -> None:
    assert judge(clean(), "from: client, never_to: other", **changes).outcome is outcome


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("from: client", "nothing is limited"),
        ("from: client, to: server", "nothing is limited"),
        ("from: client, most: 0", "0 "),
        ("from: client, only: foo.bar", "foo.bar"),
        ("from: client, never_to: nobody-there", "nobody-there"),
    ],
)
def test_what_is_wrong_is_told(fields: str, said: str) -> None:
    with pytest.raises(LabError) as caught:
        parsed(fields)
    assert said in str(caught.value)

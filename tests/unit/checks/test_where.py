"""`where`: packets counted at capture points, and no count that nothing at all would satisfy."""

from typing import Any

import pytest
from doctored import PORT, SOURCE_PORT, Story, clean, result, two_lans

from lab.checks.base import Outcome, Verdict
from lab.checks.where import Number, Where
from lab.errors import LabError
from lab.evidence import Gap, Mark
from lab.exercise.load import parse_exercise

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
SYN = "tcp.flags.syn == 1 && tcp.flags.ack == 0"
EXACTLY_ONE, NONE, SOME = Number(1, 1), Number(0, 0), Number(1, None)


def judge(
    story: Story, packets: str, *at: str, among: str | None = None, number: Number = SOME, **changes: Any
) -> Verdict:
    check = Where(at=at or ("client:eth0",), packets=packets, count=number, among=among)
    return check.judge(story.evidence(check, **changes))


@pytest.mark.parametrize(
    ("packets", "number", "outcome"),
    [
        (SYN, EXACTLY_ONE, P),
        (SYN, Number(2, 2), F),
        (SYN, Number(2, None), F),
        (SYN, Number(0, 1), P),
        (f"{SYN} && ip.ttl == 64", EXACTLY_ONE, P),
        (f"{SYN} && ip.ttl == 63", SOME, F),
        (f"tcp.srcport == {SOURCE_PORT}", Number(0, 1), F),
        ("arp", Number(2, 2), P),
        ("udp", NONE, P),
        ("tcp", NONE, F),
    ],
)
def test_the_count(packets: str, number: Number, outcome: Outcome) -> None:
    verdict = judge(clean(), packets, number=number, among="ip")
    assert verdict.outcome is outcome
    assert outcome is P or verdict.cause is not None


def test_each_point_is_counted_by_itself() -> None:
    both = ("client:eth0", "server:eth0")
    assert judge(clean(), SYN, *both, number=EXACTLY_ONE).outcome is P
    verdict = judge(clean().drop("syn", at=("server:eth0",)), SYN, *both, number=EXACTLY_ONE)
    assert (verdict.outcome, verdict.seen) == (F, "0 packets at server:eth0")


def test_the_frames_are_shown() -> None:
    verdict = judge(clean(), SYN, number=EXACTLY_ONE)
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#3"]
    assert verdict.expected == f"packets with {SYN} at client:eth0: 1"


def test_a_ban_needs_something_that_was_sent() -> None:
    """A program that does nothing has kept no rule."""
    ban = {"number": NONE, "among": f"tcp.dstport == {PORT}"}
    assert judge(clean(), "tcp.flags.reset == 1", **ban).outcome is P
    verdict = judge(Story(), "tcp.flags.reset == 1", **ban)
    assert verdict.outcome is F
    assert "nothing to judge" in verdict.seen


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({}, "wrong-count"),
        ({"exit_code": 1, "stderr": b"TypeError: x\n"}, "crashed"),
        ({"ended": "timed out", "exit_code": None}, "timed-out"),
    ],
)
def test_too_few_are_laid_at_the_program_that_failed(changes: dict[str, Any], cause: str) -> None:
    verdict = judge(Story(), SYN, steps=result("client", **changes))
    assert verdict.outcome is F
    assert verdict.cause is not None
    assert verdict.cause.kind == cause
    assert verdict.timed == (cause == "timed-out")


def test_too_many_may_be_repeats_for_a_busy_machine() -> None:
    verdict = judge(clean(), "tcp.flags.ack == 1", number=EXACTLY_ONE)
    assert (verdict.outcome, verdict.timed) == (F, True)


def test_what_comes_after_the_end_does_not_count() -> None:
    before = clean().counts("client fin")
    assert judge(clean(), "tcp.flags.fin == 1", end=before).outcome is F
    assert judge(clean(), "tcp.flags.fin == 1").outcome is P


def test_the_goodbye_of_a_program_that_was_ended_does_not_count() -> None:
    points = clean().counts()
    marks = (Mark("ended", clean().counts("client fin"), "client"), Mark("end", points))
    fin = "tcp.flags.fin == 1 && ip.src == 10.0.1.10"
    assert judge(clean(), fin, marks=marks).outcome is F
    assert judge(clean(), fin).outcome is P


@pytest.mark.parametrize(
    ("gap", "outcome"),
    [
        (Gap("drops", "client:eth0", "lab"), N),
        (Gap("flooded", "client:eth0", "submission"), F),
        (Gap("drops", "server:eth0", "lab"), P),
        (Gap("drops", "", "lab"), N),
    ],
)
def test_gaps(gap: Gap, outcome: Outcome) -> None:
    assert judge(clean(), SYN, gaps=(gap,)).outcome is outcome


def test_a_point_without_a_capture_is_not_measured() -> None:
    assert judge(clean(), SYN, without=("client:eth0",)).outcome is N
    chosen = judge(clean(), SYN, without=("client:eth0",), capture=("server:eth0",))
    assert (chosen.outcome, chosen.seen) == (N, "the exercise does not capture at client:eth0")


HEAD = "version: 1\nname: x\nvalues: {port: 7000}\nchecks:\n  - "


def parsed(fields: str) -> Where:
    text = f"{HEAD}{{id: a, check: where, {fields}}}\n"
    check = parse_exercise(text, "exercise.yaml", lambda _: two_lans()).checks[0].check
    assert isinstance(check, Where)
    return check


def test_it_is_read_from_an_exercise() -> None:
    check = parsed('at: client:eth0, packets: "tcp.dstport == ${port}", count: at most 3, among: tcp')
    assert (check.at, check.packets, check.count) == (("client:eth0",), "tcp.dstport == 7000", Number(0, 3))
    assert parsed("at: [client:eth0, r1:eth1], packets: arp, count: 2").count == Number(2, 2)
    assert parsed("at: client:eth0, packets: arp").count == SOME


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("at: client:eth0, packets: tcp.port = 1", 'in the filter "tcp.port = 1", column 10: = is no operator'),
        ("at: client:eth9, packets: arp", "there is no capture point client:eth9"),
        ("at: client:eth0, packets: arp, count: 0", "is also right where no packet was sent"),
        ("at: client:eth0, packets: arp, count: at most 2", "is also right where no packet was sent"),
        ("at: client:eth0, packets: arp, count: at least 0", "any number of packets is at least 0"),
        ("at: client:eth0, packets: arp, count: -1", "-1 is not a number of packets"),
        ("at: client:eth0, packets: arp, count: some", "some is not a number of packets"),
        ("at: [], packets: arp", "the list is empty"),
    ],
)
def test_what_is_wrong_is_told(fields: str, said: str) -> None:
    with pytest.raises(LabError) as caught:
        parsed(fields)
    assert said in str(caught.value)

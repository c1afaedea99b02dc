"""`tcp-congestion`: the flight at the sender, at first, as it grows, and after a loss."""

from __future__ import annotations

from typing import Any

import pytest
from doctored import CLIENT_ISN, PORT, SERVER_ISN, SOURCE_PORT, Story, clean

from lab.checks import TcpCongestion
from lab.checks.base import Outcome, Verdict
from lab.trace.packets import ACK, PSH

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
X, Y = CLIENT_ISN + 1, SERVER_ISN + 1
FULL = 100  # bytes of a segment


class Sender:
    """Sends full segments, and hears acknowledgements of so many."""

    def __init__(self) -> None:
        self.story = clean().cut_after("ack")
        self.sent = 0

    def send(self, number: int) -> Sender:
        for _ in range(number):
            self._data(f"data {self.sent}", self.sent)
            self.sent += 1
        return self

    def again(self, segment: int) -> Sender:
        self._data(f"again {segment}", segment)
        return self

    def _data(self, name: str, segment: int) -> None:
        self.story.send(name, THERE, src=self.story.address("client"), dst=self.story.address("server"),
                        sport=SOURCE_PORT, dport=PORT, seq=X + FULL * segment, ack=Y, flags=PSH | ACK,
                        payload=bytes([segment % 251]) * FULL)  # fmt: skip

    def hear(self, segment: int) -> Sender:
        """All segments before this one are acknowledged."""
        self.story.send(f"ack {segment}", THERE[::-1], src=self.story.address("server"),
                        dst=self.story.address("client"), sport=PORT, dport=SOURCE_PORT, seq=Y,
                        ack=X + FULL * segment, flags=ACK)  # fmt: skip
        return self

    def lose(self, *segments: int) -> Story:
        return self.story.drop(*(f"data {segment}" for segment in segments), at=THERE[1:])


def grown() -> Sender:
    """Two segments at first, then four, then eight; segment 8 will be lost, when ten are on their way."""
    sender = Sender().send(2).hear(2).send(4).hear(6).send(8)
    return sender.hear(8).hear(8).hear(8).send(4)


def repaired(after: int, left: int = 12) -> Story:
    """The loss repaired, then so many segments at a time until `left` more have been sent."""
    sender = grown().again(8).hear(18)
    first = sender.sent
    while sender.sent < first + left:
        sender.send(after).hear(sender.sent)
    return sender.lose(8)


def judge(story: Story, **changes: Any) -> Verdict:
    check = TcpCongestion(**(ENDS | changes))
    return check.judge(story.evidence(check))


def kind(verdict: Verdict) -> str:
    assert verdict.cause is not None
    return verdict.cause.kind


@pytest.mark.parametrize(("after", "outcome"), [(1, P), (5, P), (8, P), (9, F), (10, F), (12, F)])
def test_it_backs_off_after_a_loss(after: int, outcome: Outcome) -> None:
    verdict = judge(repaired(after))
    assert verdict.outcome is outcome
    assert outcome is P or kind(verdict) == "no-back-off"


def test_it_is_told_in_segments() -> None:
    verdict = judge(repaired(5))
    assert verdict.seen == (
        "the flight of client was 2 segments at first and grew to 10 segments; the segment with bytes 801 to 900 was "
        "lost at 10 segments, after the repair it was 5 segments"
    )
    assert len(verdict.frames) == 5


def test_the_first_flight_has_a_limit() -> None:
    assert judge(repaired(5), initial=2).outcome is P
    assert kind(judge(repaired(5), initial=1)) == "initial-window"
    assert kind(judge(Sender().send(11).hear(11).send(22).story, loss=False)) == "initial-window"


def test_stop_and_wait_never_grows() -> None:
    sender = Sender()
    for number in range(30):
        sender.send(1).hear(number + 1)
    assert kind(judge(sender.story)) == "no-growth"
    assert kind(judge(sender.story, loss=False)) == "no-growth"
    assert judge(sender.story).timed  # nor does a busy sender fill a window


def test_without_a_loss_there_is_nothing_to_back_off_after() -> None:
    story = Sender().send(2).hear(2).send(4).hear(6).send(8).hear(14).story
    assert kind(judge(story)) == "nothing-lost"
    assert judge(story, loss=False).outcome is P


def test_a_flight_that_is_small_for_lack_of_bytes_proves_nothing() -> None:
    assert kind(judge(repaired(5, left=5))) == "too-little-sent"
    assert kind(judge(grown().again(8).hear(18).lose(8))) == "too-little-sent"


def test_a_loss_that_was_never_repaired() -> None:
    verdict = judge(grown().lose(8))
    assert kind(verdict) == "not-repaired"
    assert verdict.timed


def test_who_sent_nothing_has_no_flight() -> None:
    verdict = judge(clean().cut_after("ack"), sender="server")
    assert kind(verdict) == "nothing-sent"
    assert judge(clean().cut_after("ack"), loss=False).outcome is F


def test_the_captures_that_it_needs() -> None:
    story = repaired(5)
    chosen = THERE[:3]
    for loss, outcome in ((True, N), (False, P)):
        check = TcpCongestion(**ENDS, loss=loss)
        assert check.judge(story.evidence(check, without=THERE[3:], capture=chosen)).outcome is outcome
    check = TcpCongestion(**ENDS, loss=False)
    assert check.judge(story.evidence(check, without=THERE[:1], capture=THERE[1:])).outcome is N

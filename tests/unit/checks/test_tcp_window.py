"""`tcp-window`: a window that closes and opens again, as both ends' captures show it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from doctored import CLIENT_ISN, PORT, SERVER_ISN, SOURCE_PORT, Story, clean, result

from lab.checks import TcpWindow
from lab.checks.base import Outcome, Verdict
from lab.evidence import Capture, Evidence
from lab.trace.packets import ACK, PSH, RST

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
ENDS: dict[str, Any] = {"source": "client", "to": "server", "port": PORT}
THERE = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
X, Y = CLIENT_ISN + 1, SERVER_ISN + 1
SCALE = b"\x03\x03\x07\x00"  # shift by 7


def there(story: Story, name: str, seq: int, payload: bytes = b"") -> None:
    story.send(name, THERE, src=story.address("client"), dst=story.address("server"), sport=SOURCE_PORT, dport=PORT,
               seq=seq, ack=Y, flags=PSH | ACK if payload else ACK, payload=payload)  # fmt: skip


def back(story: Story, name: str, ack: int, window: int, flags: int = ACK) -> None:
    story.send(name, THERE[::-1], src=story.address("server"), dst=story.address("client"), sport=PORT,
               dport=SOURCE_PORT, seq=Y, ack=ack, flags=flags, window=window)  # fmt: skip


def story(
    *,
    closes: bool = True,
    probe: int | None = 0,
    reopens: bool = True,
    goes_on: bool = True,
    scale: tuple[str, ...] = (),
) -> Story:
    """The client sends four bytes; the server's window closes, is probed, opens, and two more bytes come."""
    told = clean().cut_after("ack")
    for name in scale:
        told.alter(name, options=SCALE)
    told.alter("ack", window=500)
    there(told, "first", X, b"abcd")
    back(told, "closed", X + 4, 0 if closes else 4)
    if probe is not None:
        there(told, "probe", X + 4 - (probe == 0), b"efghij"[:probe])
        back(told, "still closed", X + 4, 0 if closes else 4)
    if reopens:
        back(told, "opened", X + 4, 300)
    if goes_on:
        there(told, "second", X + 4, b"efghij")
        back(told, "second ack", X + 10, 290)
    return told


def later(evidence: Evidence, told: Story, milliseconds: int) -> Evidence:
    """The window opened so much later."""
    start = next(index for index, frame in enumerate(told.frames) if frame.name == "opened") * 1_000
    captures = {
        point: Capture(
            point,
            tuple(replace(p, time=p.time + (milliseconds * 1_000_000 if p.time >= start else 0)) for p in each.packets),
            each.end,
        )
        for point, each in evidence.captures.items()
    }
    return replace(evidence, captures=captures)


def judge(told: Story, after: int = 0, **changes: Any) -> Verdict:
    check = TcpWindow(**(ENDS | changes))
    evidence = told.evidence(check)
    return check.judge(later(evidence, told, after) if after else evidence)


def kind(verdict: Verdict) -> str:
    assert verdict.cause is not None
    return verdict.cause.kind


def test_a_window_that_closed_and_opened_again() -> None:
    verdict = judge(story(), 520)
    assert verdict.outcome is P
    assert verdict.seen == (
        "the window of server went to zero when 4 bytes had been acknowledged; 0.52 s and 1 probe later it was open "
        "again, one of 300 bytes, and client went on"
    )
    assert [str(frame) for frame in verdict.frames] == [f"client:eth0#{number}" for number in (7, 8, 10, 11)]


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        (story(closes=False), "no-stall"),
        (story(reopens=False, goes_on=False), "never-reopened"),
        (story(goes_on=False), "not-resumed"),
        (story(probe=4), "overrun"),
        (clean(), "no-stall"),
        (story().alter("closed", window=7, at=("server:eth0",)), "altered"),
        (story().alter("opened", window=0, at=("server:eth0", "r1:eth1")), "altered"),
    ],
)
def test_what_is_no_flow_control(told: Story, cause: str) -> None:
    verdict = judge(told)
    assert verdict.outcome is F
    assert kind(verdict) == cause
    assert verdict.timed == (cause in ("never-reopened", "no-stall"))


@pytest.mark.parametrize("probe", [None, 0, 1])
def test_probes_are_no_fault(probe: int | None) -> None:
    """A byte below the window, a byte beyond it, or none at all because the window opened soon."""
    told = story(probe=probe)
    assert judge(told).outcome is P
    assert f"{int(probe is not None)} probe" in judge(told).seen


def test_what_was_sent_before_is_no_probe_s_progress() -> None:
    """The byte of a probe, sent again with nothing new, is no going on."""
    told = story(probe=1, goes_on=False)
    there(told, "again", X + 4, b"e")
    assert kind(judge(told)) == "not-resumed"


@pytest.mark.parametrize(
    ("scale", "size"),
    [(("syn", "syn-ack"), "one of 38400 bytes"), (("syn",), "one of 300 bytes"), (("syn-ack",), "one of 300 bytes")],
)
def test_windows_are_scaled_where_both_syns_offer_it(scale: tuple[str, ...], size: str) -> None:
    assert size in judge(story(scale=scale)).seen


@pytest.mark.parametrize(("at_least", "outcome"), [(0.4, P), (0.6, F)])
def test_how_long_it_was_closed(at_least: float, outcome: Outcome) -> None:
    assert judge(story(), 520, at_least=at_least).outcome is outcome


def test_a_window_that_a_busy_machine_closed_is_none_that_a_pause_did() -> None:
    """Whether it closes for a moment is chance, and the cause is not to be."""
    moment, never = judge(story(), 3, at_least=0.4), judge(story(closes=False), at_least=0.4)
    assert (kind(moment), moment.timed) == (kind(never), never.timed) == ("no-stall", True)
    assert moment.seen == "the window of server was zero for 0.003 s at most"
    assert len(moment.frames) == 2
    assert kind(judge(story(goes_on=False), 3, at_least=0.4)) == "no-stall"


@pytest.mark.parametrize(("reader", "outcome"), [("server", P), ("client", F), ("either", P)])
def test_whose_window(reader: str, outcome: Outcome) -> None:
    assert judge(story(), reader=reader).outcome is outcome


def test_the_window_of_a_reset_does_not_count() -> None:
    told = story(closes=False, reopens=False, goes_on=False)
    back(told, "reset", X + 4, 0, RST | ACK)
    assert kind(judge(told)) == "no-stall"


def test_a_reader_that_ends_by_a_reset() -> None:
    told = story(reopens=False, goes_on=False)
    back(told, "reset", X + 4, 0, RST | ACK)
    assert kind(judge(told)) == "reset"


def test_it_tells_the_smallest_window_where_none_closed() -> None:
    assert "the smallest was 4 bytes" in judge(story(closes=False), reader="server").seen


@pytest.mark.parametrize("end", ["client:eth0", "server:eth0"])
def test_both_ends_are_needed(end: str) -> None:
    check = TcpWindow(**ENDS)
    chosen = tuple(point for point in THERE if point != end)
    assert check.judge(story().evidence(check, without=(end,), capture=chosen)).outcome is N
    assert check.judge(story().evidence(check, without=(end,))).outcome is N


def test_a_program_that_crashed_is_the_cause() -> None:
    check = TcpWindow(**ENDS)
    steps = result("server", ended="exited", exit_code=1, stderr=b"OSError: x\n")
    assert kind(check.judge(story(reopens=False, goes_on=False).evidence(check, steps=steps))) == "crashed"

"""The check raw, on doctored captures of a node's neighbours."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from lab.checks.base import Outcome, Verdict
from lab.checks.raw import Raw
from lab.checks.where import Number
from lab.evidence import Gap
from tests.unit.doctored import BROADCAST, Frame, Story, checksum, clean, result

PASSED, FAILED, NOT_MEASURED = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
POINTS = ("other:eth0", "r1:eth0")  # the client's neighbours


def frame(point: str, **changes: Any) -> Frame:
    story = Story()
    made = Frame("raw", point, story.mac("client:eth0"), BROADCAST, "10.0.1.10", "10.0.1.11", 253, payload=b"hello\n")
    return replace(made, **changes)


def judge(*frames: Frame, among: Story | None = None, **changes: Any) -> Verdict:
    parameters = {"source": "client", "packets": "ip.proto == 253", "count": Number(1, 1)}
    known = (*parameters, "checksums", "payload")
    check = Raw(**(parameters | {key: changes.pop(key) for key in list(changes) if key in known}))
    story = among or clean()
    story.frames += frames
    return check.judge(story.evidence(check, **changes))


def test_a_frame_at_one_neighbour_passes() -> None:
    verdict = judge(frame("r1:eth0"))
    assert verdict.outcome is PASSED
    assert verdict.seen.startswith("1 frame from client (")
    assert [ref.point for ref in verdict.frames] == ["r1:eth0"]


def test_a_broadcast_that_two_received_is_one_frame() -> None:
    assert judge(*(frame(point) for point in POINTS)).outcome is PASSED
    twice = judge(*(frame(point) for point in (*POINTS, *POINTS)))
    assert (twice.outcome, twice.cause and twice.cause.kind) == (FAILED, "wrong-count")


def test_what_its_own_node_captured_is_not_asked() -> None:
    assert judge(frame("client:eth0")).outcome is FAILED


def test_a_program_that_ran_on_might_have_sent_more() -> None:
    assert not judge().timed
    assert judge(steps=result("client", ended="killed", exit_code=None)).timed
    assert judge(steps=result("client", ended="timed out", exit_code=None)).timed


@dataclass(frozen=True)
class Malformed(Frame):
    """One whose header says another length than it has, its checksum right."""

    length: int = 256

    def raw(self) -> bytes:
        made = bytearray(super().raw())
        made[16:18], made[24:26] = self.length.to_bytes(2, "big"), b"\0\0"
        made[24:26] = checksum(bytes(made[14:34])).to_bytes(2, "big")
        return bytes(made)


@pytest.mark.parametrize("length", [256, 19])
def test_a_length_that_cannot_be_is_no_right_frame(length: int) -> None:
    usual = frame("r1:eth0")
    made = Malformed(**{each.name: getattr(usual, each.name) for each in fields(usual)}, length=length)
    verdict = judge(made)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "malformed")
    assert judge(made, checksums=False).outcome is PASSED


def test_a_frame_of_another_node_is_not_its() -> None:
    assert judge(frame("r1:eth0", src_mac=Story().mac("other:eth0"))).outcome is FAILED


def test_a_frame_from_nobodys_mac_is() -> None:
    assert judge(frame("r1:eth0", src_mac="02:99:99:99:99:99")).outcome is PASSED


def test_nothing_such_fails_and_says_what_came_instead() -> None:
    verdict = judge()
    assert verdict.outcome is FAILED
    assert verdict.seen.startswith("0 such frames of ")


@pytest.mark.parametrize(("checksums", "outcome"), [(True, FAILED), (False, PASSED)])
def test_a_wrong_checksum_is_named(checksums: bool, outcome: Outcome) -> None:
    verdict = judge(frame("r1:eth0", bad="ip"), checksums=checksums)
    assert verdict.outcome is outcome
    assert ("IP header's checksum" in verdict.seen) is checksums


def test_a_gap_at_a_neighbour_is_named() -> None:
    gap = Gap("3 frames were dropped", "r1:eth0", "lab")
    assert judge(frame("r1:eth0"), gaps=(gap,)).outcome is NOT_MEASURED


def test_without_any_neighbours_capture_there_is_no_verdict() -> None:
    verdict = judge(capture=("client:eth0", "server:eth0"), without=("other:eth0", "r1:eth0", "r1:eth1"))
    assert verdict.outcome is NOT_MEASURED


def test_a_count_of_none_is_refused() -> None:
    check = Raw(source="client", packets="icmp", count=Number(0, 3))
    assert [key for key, *_ in check.problems()] == ["count"]


@pytest.mark.parametrize(
    ("carried", "outcome"), [(b"hello\n", PASSED), (b"hello", FAILED), (b"hello\n\n", FAILED), (b"", FAILED)]
)
def test_what_follows_the_ip_header_is_what_is_demanded(carried: bytes, outcome: Outcome) -> None:
    verdict = judge(frame("r1:eth0", payload=carried), payload=b"hello\n")
    assert verdict.outcome is outcome
    if outcome is FAILED:
        assert verdict.cause is not None
        assert verdict.cause.kind == "differs"
        assert [ref.point for ref in verdict.frames] == ["r1:eth0"]


@dataclass(frozen=True)
class Nobodys(Frame):
    """One whose EtherType is nobody's, its payload right behind the frame's own header."""

    def raw(self) -> bytes:
        return bytes.fromhex((self.dst_mac + self.src_mac).replace(":", "")) + b"\x88\xb5" + self.payload


@pytest.mark.parametrize(
    ("carried", "outcome"),
    [(b"hello\n", PASSED), (b"hello\n" + bytes(40), PASSED), (b"hello\n" + bytes(41), FAILED), (b"other\n", FAILED),
     (b"hello\n" + bytes(39) + b"x", FAILED), (b"hell", FAILED)],
)  # fmt: skip
def test_zeros_that_pad_a_short_frame_are_no_payload(carried: bytes, outcome: Outcome) -> None:
    made = Nobodys(**{each.name: getattr(frame("r1:eth0", payload=carried), each.name) for each in fields(Frame)})
    verdict = judge(made, packets="eth.type == 0x88b5", payload=b"hello\n")
    assert verdict.outcome is outcome

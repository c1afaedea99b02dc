"""Queries beside their answers, also where a program sends very many of them to keep its judge busy."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from doctored import PORT, Story
from test_web import ADDRESS, THERE, Web, web

from lab.checks.base import Outcome
from lab.checks.connections import at_node as connections_at
from lab.checks.dns import Dns
from lab.checks.lookups import lookups
from lab.checks.sightings import Sighted, at_node
from lab.dns.message import CNAME, Record, encode_name
from lab.trace.packets import ACK, PSH, SYN

MANY = 2000
OWN = frozenset({bytes((10, 0, 1, 10))})


@contextmanager
def soon(seconds: float = 1.0) -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < seconds


def sighted(story: Story) -> list[Sighted]:
    evidence = story.evidence()
    return at_node(evidence, "client")


def test_the_first_that_waits_is_answered_and_only_by_what_matches_it() -> None:
    story = Web().query().query().query("else").query(number=8)
    story.told("10.0.2.1", name="SERVER.").told(name="else", number=8).told("10.0.2.2").told("10.0.2.3")
    story.told("10.0.2.4", number=8)
    found = lookups(sighted(story), (), OWN)
    assert [each.addresses() for each in found] == [("10.0.2.1",), ("10.0.2.2",), (), ("10.0.2.4",)]
    assert [each.answered and each.answered.number for each in found] == [5, 7, None, 9]


@pytest.mark.parametrize("name", ["else", "server"])
def test_very_many_queries_and_answers(name: str) -> None:
    story = Web()
    for _ in range(MANY):
        story.query()
    for _ in range(MANY):
        story.told(ADDRESS, name=name)
    packets = sighted(story)
    with soon():
        found = lookups(packets, (), OWN)
    assert [each.answered is not None for each in found] == [name == "server"] * MANY


def test_very_many_queries_in_a_byte_stream_of_tiny_segments() -> None:
    story = Story().talk(port=53, sport=77, asked=b"\0\0" * MANY, answered=b"", prefix="dns ")
    whole = next(frame for frame in story.frames if frame.name == "dns question")
    ends = {"src": whole.src, "dst": whole.dst, "sport": whole.sport, "dport": whole.dport}
    parts = Story()
    for at in range(0, len(whole.payload), 2):
        parts.send("part", THERE, seq=whole.seq + at, ack=whole.ack, flags=PSH | ACK, payload=b"\0\0", **ends)
    at = story.frames.index(whole)
    story.frames[at : at + len(THERE)] = parts.frames
    evidence = story.evidence()
    seen = list(connections_at(evidence, "client"))
    with soon():
        found = lookups((), seen, OWN)
    assert [each.asked.number for each in found] == list(range(found[0].asked.number, found[0].asked.number + MANY))


def test_very_many_lookups_are_followed_very_often() -> None:
    story = web()
    for _ in range(MANY // 2):
        story.query().told(ADDRESS)
    for port in range(MANY):
        story.send("syn", THERE[:2], src="10.0.1.10", dst=ADDRESS, sport=port + 1, dport=PORT, flags=SYN)
    check = Dns(source="client", to="server", port=PORT)
    evidence = story.evidence(check)
    with soon():
        verdict = check.judge(evidence)
    assert verdict.outcome is Outcome.PASSED


def test_very_many_names_that_stand_for_others() -> None:
    names = [Record(f"n{n}", CNAME, 1, 300, encode_name(f"n{n + 1}"), f"n{n + 1}") for n in range(1500)]
    story = Web().query("n0").told(ADDRESS, name="n0", records=tuple(names))
    (found,) = lookups(sighted(story), (), OWN)
    with soon(0.2):
        assert found.addresses() == (ADDRESS,)

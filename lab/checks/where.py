"""`where`: packets that satisfy an expression, counted at chosen capture points."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.connections import counted
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import count, listed
from lab.checks.programs import Blame, idle, unfinished
from lab.evidence import Evidence
from lab.grammar import Context, Filter, List, Point, Refused, ScalarGrammar, Schema, param
from lab.trace.fields import FIELDS, PROTOCOLS, sights
from lab.trace.filter import parse_filter
from lab.trace.packets import TCP
from lab.yaml.text import show

_SHOWN = 5  # frames of each capture point
_VOCABULARY = ", ".join((*PROTOCOLS, *FIELDS))


@dataclass(frozen=True)
class Number:
    """How many there must be: at least, and at most where there is a limit."""

    least: int
    most: int | None

    def admits(self, found: int) -> bool:
        """Whether so many are right."""
        return self.least <= found and (self.most is None or found <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        return str(self.most) if self.least == self.most else f"at most {self.most}"


_SOME = Number(1, None)


class Count(ScalarGrammar[Number]):
    """A number of packets: exactly, at least or at most."""

    expected = "a number of packets: 3, at least 3 or at most 3"
    _form = r"(?:(at least|at most) )?(0|[1-9][0-9]{0,8})"

    def parse(self, text: str, context: Context) -> Number:
        """The bounds; raises `Refused`."""
        found = re.fullmatch(self._form, text)
        if not found:
            raise Refused(f"{show(text)} is not {self.expected}")
        number = int(found[2])
        return Number(0 if found[1] == "at most" else number, None if found[1] == "at least" else number)

    def plain_schema(self) -> Schema:
        """A whole number, or a text in one of the forms."""
        return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 999999999},
                          {"type": "string", "pattern": f"^{self._form}$"}]}  # fmt: skip


@dataclass(frozen=True)
class Where(Check):
    """At each of the chosen capture points, so many packets satisfy an expression with Wireshark's field names.

    Counted are the frames up to the end of the run, without what the kernel says in the place of a program that was
    ended. A count that 0 satisfies needs `among`, packets that must be there: where nothing was sent, nothing is
    shown. As in Wireshark an ICMP error has the addresses and ports of the packet that it quotes too (`udp && !icmp`
    leaves it out), and a datagram in fragments has its transport's fields in the last of them. Operators: == != < <= >
    >= && || ! and or not, parentheses; addresses also with a prefix (10.0.1.0/24).
    """

    kind: ClassVar[str] = "where"
    claims: ClassVar[tuple[str, ...]] = ("C2", "C3", "C4", "C7", "C17")
    rule: ClassVar[str] = "RFC 791 §3.1, RFC 9293 §3.1, RFC 768, RFC 826: the headers' fields; wireshark-filter(4)"
    says: ClassVar[str] = "0 packets at client:eth0"

    at: tuple[str, ...] = param(List(Point(), empty=False, single=True), "the capture points, each counted by itself")
    packets: str = param(Filter(), f"which packets are counted; the words are {_VOCABULARY}")
    count: Number = param(Count(), "how many there must be", default=_SOME)
    among: str | None = param(
        Filter(), "packets of which there must be one at least, so that a count of 0 means something", default=None
    )

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """A count that 0 satisfies passes where nothing was sent at all; one that any number satisfies, always."""
        if self.count == Number(0, None):
            yield "count", "any number of packets is at least 0", "say 0 for none"
        elif self.count.admits(0) and self.among is None:
            what = f"count: {self.count} is also right where no packet was sent at all"
            yield "count", what, "say by among: which packets must be there, such as among: tcp.dstport == 7000"

    def judge(self, evidence: Evidence) -> Verdict:
        """Count at every point; the first that is wrong is told."""
        expected = f"packets with {self.packets} at {listed(self.at)}: {self.count}"
        nodes = list(dict.fromkeys(step.node for step in evidence.exercise.steps if step.node))
        if verdict := unusable(gaps(evidence, self.at, nodes), self.rule, expected):
            return verdict
        for point in self.at:
            if left_out(evidence, point):
                return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise does not capture at {point}")
        seen: list[str] = []
        shown: list[FrameRef] = []
        for point in self.at:
            found = _matching(evidence, point, self.packets)
            frames = tuple(FrameRef(point, number) for number in found[:_SHOWN])
            told = f"{count(len(found), 'packet')} at {point}"
            if self.among is not None and not _matching(evidence, point, self.among):
                told = f"no packet at {point} with {self.among}, so there is nothing to judge"
                return self._failed(expected, told, frames, idle(evidence, nodes), unfinished(evidence, nodes))
            if not self.count.admits(len(found)):
                few = len(found) < self.count.least
                blame = idle(evidence, nodes) if few else None
                timed = unfinished(evidence, nodes) if few else True  # who waits in vain for a busy one asks again
                return self._failed(expected, told, frames, blame, timed)
            seen.append(told)
            shown += frames
        return Verdict(Outcome.PASSED, self.rule, expected, "; ".join(seen), tuple(shown))

    def _failed(self, expected: str, seen: str, frames: tuple[FrameRef, ...], blame: Blame | None,
                timed: bool) -> Verdict:  # fmt: skip
        cause = blame.cause if blame else Cause("wrong-count", seen, f"the packets with {self.packets}")
        return Verdict(Outcome.FAILED, self.rule, expected, seen, frames, cause, blame.timed if blame else timed)


def _matching(evidence: Evidence, point: str, text: str) -> list[int]:
    """The numbers of the frames at a point that satisfy an expression and count."""
    test = parse_filter(text)
    kept = {packet.number for packet in counted(evidence, point)}
    packets = evidence.captures[point].judged
    counting = [packet for packet in packets if packet.protocol != TCP or packet.number in kept]
    return [sight.frame.number for sight in sights(counting) if test(sight)]

"""`udp`: datagrams and their boundaries; what is lost is repaired by nobody but the program."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from lab.checks import causes, causes_talk
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.connections import points_of
from lab.checks.departures import Departures
from lab.checks.diagnose import Fault
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.icmp_errors import Ends, ends, port_unreachable
from lab.checks.names import address_of, count, listed, quoted
from lab.checks.programs import overdue, trouble, unfinished
from lab.checks.udp_talk import Sent, Talk, no_answer, nothing_sent, strangers, talk, turns, unsent, wrong_client
from lab.evidence import Evidence
from lab.grammar import Bool, Duration, Int, List, NodeName, Payload, Port, param

_SECOND = 1_000_000_000
_BURST = 6  # errors that Linux sends to a peer at once; then one a second (net.ipv4.icmp_ratelimit), or more by IPv6


@dataclass(frozen=True)
class Udp(Check):
    """Datagrams from one node to a port of another, and those that came back, each whole and by itself.

    Repeated datagrams count once, in the order in which they were first seen. What the sender's capture shows and the
    receiver's does not was lost; with `lost`, so many at least must have been, and each must have been sent again
    until a copy arrived: no kernel does that for UDP. With `wait`, none is sent again when all questions have been
    answered for that long. An answer goes to the address and port that asked, and comes from those that were asked;
    those to questions that were open at once may come in any order. A checksum that is wrong is a failure, one that was
    left out is none (RFC 768).
    """

    kind: ClassVar[str] = "udp"
    claims: ClassVar[tuple[str, ...]] = ("C15", "C17")
    rule: ClassVar[str] = "RFC 768; RFC 1122 §4.1; RFC 8085 §3.1; RFC 792 (port unreachable)"
    says: ClassVar[str] = "client sent no datagram to port 7000 of server"

    source: str = param(NodeName(), "the node that asks", key="from")
    to: str = param(NodeName(), "the node that is asked")
    port: int = param(Port(), "the port that is asked")
    client_sends: tuple[bytes, ...] | None = param(
        List(Payload(), empty=False, single=True), "the datagrams of the asking side, in this order", default=None
    )
    server_sends: tuple[bytes, ...] | None = param(
        List(Payload(), empty=False, single=True), "those of the other side", default=None
    )
    lost: int | None = param(
        Int(0, 1000), "so many datagrams of the asking side are lost at least, and sent again by the program",
        default=None,
    )  # fmt: skip
    wait: float | None = param(Duration(), "the least time before a datagram is sent again", default=None)
    tries: int | None = param(Int(1, 1000), "how often a datagram may be sent at most", default=None)
    refused: bool = param(
        Bool(), "whether the node must answer each by ICMP port unreachable, and by nothing else", default=False
    )

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """A check that demands nothing would pass on anything; equal datagrams look like repeated ones."""
        if self.client_sends is None and self.server_sends is None and not self.refused:
            yield "check", "udp demands no datagram", "say client_sends, server_sends or refused: true"
        if self.refused and self.server_sends:
            yield "server_sends", "a port that is refused answers nothing", "leave server_sends or refused out"
        for key, given in (("client_sends", self.client_sends), ("server_sends", self.server_sends)):
            if given is not None and len(set(given)) < len(given):
                yield key, "two of the datagrams are equal, as if one were repeated", "make them differ"

    def doubts(self) -> Iterable[str]:
        """Why no talk can be meant: one copy of each datagram has to arrive."""
        if self.lost and self.tries and self.client_sends:
            most = len(self.client_sends) * (self.tries - 1)
            if self.lost > most:
                sent = f"{count(len(self.client_sends), 'datagram')} sent {count(self.tries, 'time')} at most"
                yield f"of {sent}, {most} can be lost and yet be repaired, and not {self.lost}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the datagrams at both ends."""
        expected = self._expectation()
        found_gaps = gaps(evidence, points_of(evidence, self.source, self.to), [self.source, self.to])
        if verdict := unusable(found_gaps, self.rule, expected):
            return verdict
        if away := [point for point in points_of(evidence, self.source, self.to) if left_out(evidence, point)]:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise does not capture {listed(away)}")
        said = talk(evidence, self.source, self.to, self.port)
        fault = self._fault(evidence, said)
        if fault is not None:
            return Verdict(Outcome.FAILED, self.rule, expected, fault.seen, fault.frames, fault.cause, fault.timed)
        return Verdict(Outcome.PASSED, self.rule, expected, *self._praise(evidence, said))

    def _expectation(self) -> str:
        parts = []
        if self.client_sends is not None:
            parts.append(f"{self.source} sends {_shown(self.client_sends)} to port {self.port} of {self.to}")
        if self.server_sends is not None:
            parts.append(f"{self.to} answers {_shown(self.server_sends)}")
        if self.refused:
            parts.append(f"{self.to} answers {self.source} by ICMP port unreachable for port {self.port}")
        if self.lost is not None:
            parts.append(f"{count(self.lost, 'datagram')} at least lost, and sent again by the program")
        return "; ".join(parts)

    def _fault(self, evidence: Evidence, said: Talk) -> Fault | None:
        for each in (*said.sent, *said.arrived, *said.received):
            if each.packet.checksum_ok is False or each.packet.ip_checksum_ok is False:
                text = f"frame {each.ref} has a wrong checksum"
                cause = causes.wrong_checksum(text) if each in said.sent else causes.altered(text)
                return Fault(text, cause, (each.ref,))
        if not said.sent:
            return nothing_sent(evidence, self.source, self.to, self.port)
        if strange := strangers(evidence, said, self.source):
            text = f"{self.to} got from {self.source} what that had not sent: {quoted(strange[0].payload)}"
            return Fault(text, causes.altered(text), tuple(each.ref for each in strange[:3]))
        if forged := unsent(evidence, said, self.to):
            text = f"{self.source} got in the name of {self.to} what that had not sent: {quoted(forged[0].payload)}"
            return Fault(text, causes.altered(text), tuple(each.ref for each in forged[:3]))
        return (
            self._differs(evidence, said, self.source, said.sent, self.client_sends)
            or self._loss_fault(evidence, said)
            or self._repeat_fault(said)
            or (self._not_refused(evidence, said) if self.refused else None)
            or self._answer_fault(evidence, said)
        )

    def _differs(
        self, evidence: Evidence, said: Talk, name: str, got: Sequence[Sent], wanted: tuple[bytes, ...] | None
    ) -> Fault | None:
        """How one side's datagrams differ from those that are demanded."""
        if wanted is None:
            return None
        first = {each.payload: each for each in reversed(got)}
        distinct = list(dict.fromkeys(each.payload for each in got))
        if distinct == list(wanted):
            return None
        frames = tuple(first[payload].ref for payload in distinct[:4])
        seen = f"{name} sent {_shown(distinct)}"
        blame = trouble(evidence, [name], submitted=True)
        if b"".join(distinct) == b"".join(wanted):
            text = f"{name} sent the right bytes in {count(len(distinct), 'datagram')}, where {len(wanted)} "
            return Fault(seen, _boundaries(text + "are asked for"), frames)
        at = next((i for i, (a, b) in enumerate(zip(distinct, wanted, strict=False)) if a != b), None)
        if at is None and len(distinct) < len(wanted):
            if name == self.to or said.unanswered is not None:
                return self._no_answer(evidence, said, seen)
            if fault := self._unrepaired(evidence, said) or self._misanswered(evidence, said):
                return fault
            late = unfinished(evidence, [name])
            cause = Cause("too-little", f"{name} never sent {quoted(wanted[len(distinct)])}",
                          "what ends the loop around sendto() and recvfrom()")  # fmt: skip
            return Fault(seen, blame.cause if blame else cause, frames, blame.timed if blame else late)
        if at is None:
            extra = distinct[len(wanted)]
            return Fault(seen, causes_talk.too_much(name, extra), (first[extra].ref,))
        if wanted[at].startswith(distinct[at]):
            rest = wanted[at].removeprefix(distinct[at])
            if any(each and rest.startswith(each) for each in distinct[at + 1 :]):
                return Fault(seen, _boundaries(f"{name} sent {quoted(wanted[at])} in several datagrams"), frames)
            what = f"{name} sent {quoted(distinct[at])}, only the beginning of {quoted(wanted[at])}"
            look = ("what is given to sendto(), the end of a line included" if name == self.source else
                    "the size given to recvfrom(): what is longer is cut off and lost")  # fmt: skip
            return Fault(seen, Cause("cut-short", what, look), frames)
        byte = next((i for i, (a, b) in enumerate(zip(distinct[at], wanted[at], strict=False)) if a != b),
                    min(len(distinct[at]), len(wanted[at])))  # fmt: skip
        differs = causes_talk.differs(name, byte, wanted[at], distinct[at])
        if byte == len(wanted[at]):
            differs = causes_talk.too_much(name, distinct[at][byte:])
        return Fault(seen, differs, frames)

    def _misanswered(self, evidence: Evidence, said: Talk) -> Fault | None:
        """An answer that is wrong, so that who asked had no reason to go on."""
        fault = self._differs(evidence, said, self.to, said.received, self.server_sends)
        return fault if fault and fault.cause and fault.cause.kind in ("differs", "boundaries", "cut-short") else None

    def _no_answer(self, evidence: Evidence, said: Talk, seen: str) -> Fault:
        return no_answer(evidence, said, self.source, self.to, self.port, self.server_sends or (), seen)

    def _loss_fault(self, evidence: Evidence, said: Talk) -> Fault | None:
        if self.lost is None:
            return None
        if fault := self._unrepaired(evidence, said):
            return fault
        if len(said.lost) < self.lost:
            seen = f"{count(len(said.lost), 'datagram')} of {self.source} lost on the way, where {self.lost} should be"
            blame = trouble(evidence, [self.source, self.to], submitted=True)
            cause = blame.cause if blame else Cause("not-tried", seen, "how many datagrams are sent")
            timed = blame.timed if blame else unfinished(evidence, [self.source, self.to])
            return Fault(seen, cause, tuple(each.ref for each in said.lost), timed)
        return None

    def _unrepaired(self, evidence: Evidence, said: Talk) -> Fault | None:
        """A datagram that was lost and of which no other copy arrived."""
        lost = {each.ref for each in said.lost}
        arrived = {each.payload for each in said.arrived} | {e.payload for e in said.sent if e.ref not in lost}
        for each in said.lost:
            if each.payload in arrived:
                continue
            copies = [other for other in said.sent if other.payload == each.payload]
            seen = (f"{self.source} sent {quoted(each.payload)} {count(len(copies), 'time')}, "
                    "and it never arrived: UDP repairs no loss")  # fmt: skip
            blame = trouble(evidence, [self.source], submitted=True)
            late = overdue(evidence, [self.source])
            what = ("waited for the answer without a limit" if late else "gave it up") + (
                "" if len(copies) > 1 else " and did not send it again")  # fmt: skip
            cause = Cause("no-retry", f"a datagram of {self.source} was lost, and the program {what}",
                          "how long recvfrom() waits (settimeout), and what happens after that")  # fmt: skip
            return Fault(seen, blame.cause if blame else cause, tuple(c.ref for c in copies[:4]), late is not None)
        return None

    def _repeat_fault(self, said: Talk) -> Fault | None:
        """A datagram that was sent again too soon, or too often."""
        sent: dict[bytes, list[Sent]] = {}
        for each in said.sent:
            sent.setdefault(each.payload, []).append(each)
        for payload, copies in sent.items():
            refs = tuple(each.ref for each in copies[:4])
            for before, after in pairwise(copies):
                passed = (after.packet.time - before.packet.time) / 1e9
                if self.wait is not None and passed < self.wait:
                    seen = f"{self.source} sent {quoted(payload)} again after {passed:.3f} s, before {self.wait:g} s"
                    cause = Cause("too-soon", seen, "how long the program waits for an answer before it asks again")
                    return Fault(seen, cause, (before.ref, after.ref), timed=True)  # the first may wait for ARP
                if self.wait is not None and (answer := _answered(said, after, self.wait)):
                    seen = f"{self.source} sent {quoted(payload)} again, though an answer had come"
                    cause = Cause("needless", seen, "what has to be received before the program asks again or goes on")
                    return Fault(seen, cause, (before.ref, answer.ref, after.ref), timed=True)
            if self.tries is not None and len(copies) > self.tries:
                seen = f"{self.source} sent {quoted(payload)} {len(copies)} times, where {self.tries} is the most"
                cause = Cause("too-often", seen, "what ends the loop around sendto()")
                return Fault(seen, cause, refs, timed=True)
        return None

    def _answer_fault(self, evidence: Evidence, said: Talk) -> Fault | None:
        if self.server_sends is None:
            return None
        if not said.received:
            return self._no_answer(evidence, said, f"{self.to} answered {self.source} nothing")
        came, left = turns(evidence, self.source, self.to, self.port)
        paired = len(self.client_sends or ()) == len(self.server_sends)
        pairs = dict(zip(self.server_sends, self.client_sends or (), strict=True)) if paired else {}
        answered = paired and all(left.get(each, -1) > came.get(pairs[each], -1) for each in pairs)
        if not self._any_order(said, left, answered):
            fault = self._differs(evidence, said, self.to, said.received, self.server_sends)
            if fault is not None:
                return self._unrepaired(evidence, said) or fault
        for answer, question in pairs.items():
            asked = [each for each in said.sent if each.payload == question]
            got = next(each for each in said.received if each.payload == answer)
            if not any(each.place < got.place for each in asked):
                seen = f"{self.to} sent {quoted(answer)} before {quoted(question)} was asked"
                return Fault(seen, causes_talk.spoke_first(self.to, self.source), (got.ref,))
            if got.packet.dport not in {each.packet.sport for each in asked}:
                return _to_other(self.to, got, asked[0])
        return None

    def _any_order(self, said: Talk, left: Mapping[bytes, int], answered: bool) -> bool:
        """Whether the answers are all there, and their order is no fault: UDP keeps none on the way.

        They left in the right one, or each was `answered` to a question that had come before.
        """
        wanted = list(self.server_sends or ())
        if {each.payload for each in said.received} != set(wanted) or not left.keys() >= set(wanted):
            return False
        return answered or sorted(wanted, key=lambda each: left[each]) == wanted

    def _not_refused(self, evidence: Evidence, said: Talk) -> Fault | None:
        if said.received:
            seen = f"{self.to} answered {quoted(said.received[0].payload)}: somebody had port {self.port}"
            cause = Cause("accepted", seen, f"which programs have UDP port {self.port} of {self.to}")
            return Fault(seen, cause, (said.received[0].ref,))
        here = set(points_of(evidence, self.source))
        errors = port_unreachable(evidence, self.to)
        departures = Departures(evidence, (error for told in errors.values() for _, error in told))
        told: dict[bytes, list[int]] = {}  # when errors came, by whom they are for
        for ref, error in (each for several in errors.values() for each in several):
            if ref.point in here and departures.sent(error):
                insort(told.setdefault(error.dst, []), error.time)
        first: dict[Ends, Sent] = {}
        for each in said.sent:
            first.setdefault(ends(each.packet), each)
        for pair, each in first.items():
            came = [error for ref, error in errors.get(pair, ()) if ref.point in here]
            refused = any(error.time >= each.packet.time and departures.sent(error) for error in came)
            if not refused and not _spent(told.get(each.packet.src, ()), each.packet.time):
                seen = f"no ICMP port unreachable of {self.to} came for {quoted(each.payload)}"
                return Fault(seen, causes_talk.never_answered(self.to, each.payload), (each.ref,), timed=True)
        return None

    def _praise(self, evidence: Evidence, said: Talk) -> tuple[str, tuple[FrameRef, ...]]:
        distinct = list(dict.fromkeys(each.payload for each in said.sent))
        seen = f"{self.source} sent {_shown(distinct)}"
        refs = [each.ref for each in said.sent[:4]]
        again = len(said.sent) - len(distinct)
        if said.lost:
            lost = said.lost[0]
            copies = [each for each in said.sent if each.payload == lost.payload]
            later = [each for each in copies if each.place > lost.place]
            seen += f"; {count(len(said.lost), 'datagram')} never arrived"
            if later:
                passed = (later[0].packet.time - lost.packet.time) / 1e9
                seen += f", and the program sent it again after {passed:.2f} s"
        elif again:
            seen += f", {count(again, 'datagram')} of them repeated"
        if self.server_sends is not None:
            answers = list(dict.fromkeys(each.payload for each in said.received))
            seen += f"; {self.to} answered {_shown(answers)} to the port that asked"
            refs += [each.ref for each in said.received[:4]]
        if self.refused:
            errors = port_unreachable(evidence, self.to)
            told = [errors[pair][0][0] for each in said.sent if (pair := ends(each.packet)) in errors][:1]
            seen += f"; {self.to} answered by ICMP that nobody has port {self.port}"
            refs += told
        if all(each.packet.checksum_ok for each in said.sent):
            seen += "; all checksums right"
        return seen, tuple(refs)


def _spent(told: Sequence[int], at: int) -> bool:
    """Whether a kernel may have left a datagram unanswered, as so many errors had gone to that peer."""
    return bisect_right(told, at + _SECOND) - bisect_right(told, at - _BURST * _SECOND) >= _BURST


def _answered(said: Talk, again: Sent, wait: float) -> Sent | None:
    """The answer by which, so long before a datagram was sent again, as many had come as there were questions."""
    asked = {each.payload for each in said.sent if each.place < again.place}
    answers = {each.payload: each for each in reversed(said.received) if each.place < again.place}
    last = max(answers.values(), key=lambda each: each.place, default=None)
    if last is None or len(answers) < len(asked) or again.packet.time - last.packet.time < wait * _SECOND:
        return None
    return last


def _boundaries(text: str) -> Cause:
    look = "what is given to one sendto(): each call makes one datagram, and each recvfrom() takes one"
    return Cause("boundaries", text, look)


def _shown(payloads: Sequence[bytes]) -> str:
    """Datagrams in words, no more than four of them."""
    shown = [quoted(each) for each in payloads[:4]]
    return listed(shown) if len(payloads) <= 4 else f"{', '.join(shown)} … ({len(payloads)} datagrams)"


def _to_other(name: str, got: Sent, asked: Sent) -> Fault:
    seen = (f"{name} answered port {got.packet.dport} of {address_of(got.packet.dst)}, where port "
            f"{asked.packet.sport} had asked")  # fmt: skip
    return Fault(seen, wrong_client(name), (asked.ref, got.ref))

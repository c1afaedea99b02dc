"""`icmp`: echoes that came back, and the errors by which the network says what became of a packet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.connections import points_of
from lab.checks.departures import Departures, forged, gaps_of_speakers
from lab.checks.diagnose import Fault
from lab.checks.follow import unanswered_arp
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.icmp_errors import Key, echo_numbers, key, key_of_quoted
from lab.checks.names import addresses_of, count, listed, mac_bytes, who
from lab.checks.programs import idle, unfinished
from lab.checks.routing import misrouted
from lab.checks.sightings import Sighted, at_node, whole
from lab.evidence import Evidence
from lab.grammar import Choice, Int, NodeName, param
from lab.trace.packets import ICMP, ICMPV6, Packet
from lab.trace.words import ICMP_CODES, ICMPV6_CODES

Message = tuple[int, int]  # protocol and type
Shown = tuple[str, tuple[FrameRef, ...]]  # what was seen, and where

_REQUESTS: tuple[Message, ...] = ((ICMP, 8), (ICMPV6, 128))
_REPLIES: tuple[Message, ...] = ((ICMP, 0), (ICMPV6, 129))
_ERRORS: dict[str, tuple[Message, ...]] = {
    "time-exceeded": ((ICMP, 11), (ICMPV6, 3)),
    "unreachable": ((ICMP, 3), (ICMPV6, 1)),
}
_ANY_ERROR = (*_ERRORS["time-exceeded"], *_ERRORS["unreachable"])
_CODES = {  # RFC 792, RFC 1812 §5.2.7.1; RFC 4443 §3.1
    "network": ((ICMP, 0), (ICMPV6, 0)),
    "host": ((ICMP, 1), (ICMPV6, 3)),
    "protocol": ((ICMP, 2),),
    "port": ((ICMP, 3), (ICMPV6, 4)),
    "prohibited": ((ICMP, 9), (ICMP, 10), (ICMP, 13), (ICMPV6, 1), (ICMPV6, 5)),
}


@dataclass(frozen=True)
class Icmp(Check):
    """A node's packets to another were answered by ICMP: each echo by its reply, or a packet by an error about it.

    An echo reply has the identifier, the sequence number and the data of its request; an echo that a lossy link lost is
    held against nobody. An error counts where it quotes a packet that the node had sent before: `time-exceeded` because
    its TTL ran out on the way, `unreachable` because there is no way, no host or no program. Judged at the sending
    node, and at the node that answers, where the exercise captures it: what that did not send is somebody else's. Where
    the sending node is not captured, because a program there has a privilege, it is judged at those that answer alone.
    The tries that lab itself makes do not count.
    """

    kind: ClassVar[str] = "icmp"
    claims: ClassVar[tuple[str, ...]] = ("C7", "C17")
    rule: ClassVar[str] = "RFC 792; RFC 4443 §2 to §4; RFC 1812 §5.2.7, §5.3.1"
    says: ClassVar[str] = "client sent 3 echo requests to server, of which 1 came back"

    source: str = param(NodeName(), "the node that sends", key="from")
    to: str = param(NodeName(), "the node that its packets are for")
    message: str = param(Choice("echo", "time-exceeded", "unreachable"), "what answers them", default="echo")
    by: str | None = param(NodeName(), "the node that must say the error; any by default", default=None)
    code: str | None = param(
        Choice(*_CODES), "what is unreachable: only with message: unreachable", default=None
    )
    count: int = param(Int(1, 100_000), "so many of its packets must be answered so, at least", default=1)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """An echo is answered by the node itself, and has no code."""
        if self.message == "echo" and self.by not in (None, self.to):
            yield "by", f"an echo is answered by {self.to} itself", "leave by out, or say which error is meant"
        if self.code is not None and self.message != "unreachable":
            yield "code", f"{self.message} has no such code", "say message: unreachable, or leave code out"

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the frames of the sending node, and whether its answers left the nodes whose addresses they bear."""
        expected = self._expectation()
        captured = [node.name for node in evidence.plan.nodes
                    if not any(left_out(evidence, point) for point in points_of(evidence, node.name))]  # fmt: skip
        beside = self.source not in captured
        answering = self._answering(evidence)
        at = [node for node in answering if node in captured] if beside else [self.source]
        if not at:
            away = [point for point in points_of(evidence, self.source) if left_out(evidence, point)]
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise does not capture {listed(away)}")
        if verdict := unusable(gaps(evidence, points_of(evidence, *at), [self.source]), self.rule, expected):
            return verdict
        sighted = self._beside(evidence, at) if beside else self._at(evidence, self.source)
        found = self._found(evidence, expected, whole(sighted) if self.message == "echo" else sighted)
        if isinstance(found, Verdict):
            return found
        told = f" (judged at {listed(at)}: {self.source} is not captured)" if beside else ""
        if isinstance(found, Fault):
            seen, frames = f"{found.seen}{told}", found.frames
            if beside and len(at) < len(answering):
                seen += ", and another may have answered that is not captured either"
                return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen, frames)
            return Verdict(Outcome.FAILED, self.rule, expected, seen, frames, found.cause, found.timed)
        return Verdict(Outcome.PASSED, self.rule, expected, f"{found[0]}{told}", found[1])

    def _found(self, evidence: Evidence, expected: str, sighted: list[Sighted]) -> Shown | Fault | Verdict:
        """What these frames show, without answers that another sent; a verdict where a gap leaves that open."""
        judge = self._echoes if self.message == "echo" else self._errors
        found = judge(evidence, sighted)
        if isinstance(found, Fault | Verdict):
            return found
        departures, answers = self._departures(evidence, sighted)
        strange = [each for each in answers if not departures.claim(each[1])]
        refs = {ref for ref, _ in strange}
        found = judge(evidence, [each for each in sighted if each[0] not in refs]) if strange else found
        if isinstance(found, Fault):
            missing = gaps_of_speakers(evidence, (packet for _, packet in strange))
            if verdict := unusable(missing, self.rule, expected):
                return verdict
            if unsent := [each for each in strange if not departures.sent(each[1])]:
                what = "an echo reply" if self.message == "echo" else f"an ICMP error ({_words(unsent[0][1])})"
                return forged(evidence, self.source, what, unsent)
        return found

    def _answering(self, evidence: Evidence) -> list[str]:
        """The nodes that may answer."""
        if self.message == "echo" or self.by is not None:
            return [self.by or self.to]
        return [node.name for node in evidence.plan.nodes if node.name != self.source]

    def _at(self, evidence: Evidence, node: str) -> list[Sighted]:
        return at_node(evidence, node, passing=self.message != "echo")

    def _beside(self, evidence: Evidence, nodes: list[str]) -> list[Sighted]:
        """What came from the sending node to those that may answer, and what they sent, one node after the other."""
        ours = addresses_of(evidence.plan, self.source)
        hosts = {mac_bytes(each.mac) for each in evidence.plan.interfaces
                 if each.node != self.source and not evidence.plan.by_name[each.node].forwards}  # fmt: skip
        found: list[Sighted] = []
        for node in nodes:
            own = addresses_of(evidence.plan, node)
            for ref, packet in self._at(evidence, node):
                came = packet.src in ours and packet.src_mac not in hosts
                if came or (packet.src in own and packet.dst in ours):
                    found.append((ref, packet))
        return found

    def _expectation(self) -> str:
        times = f", {self.count} times at least" if self.count > 1 else ""
        if self.message == "echo":
            return f"{self.to} sends back what {self.source} asks it to (echo){times}"
        what = "that the TTL ran out" if self.message == "time-exceeded" else f"{self.code or 'something'} unreachable"
        return f"{self.by or 'a node'} tells {self.source} by ICMP, about a packet for {self.to}: {what}{times}"

    def _departures(self, evidence: Evidence, sighted: list[Sighted]) -> tuple[Departures, list[Sighted]]:
        """The answers that came to the node, and what left the nodes whose addresses they bear."""
        ours = addresses_of(evidence.plan, self.source)
        kinds = _REPLIES if self.message == "echo" else _ERRORS[self.message]
        answers = [each for each in sighted if each[1].dst in ours and _is(each[1], kinds)]
        return Departures(evidence, (packet for _, packet in answers)), answers

    def _echoes(self, evidence: Evidence, sighted: list[Sighted]) -> Shown | Fault | Verdict:
        ours, theirs = addresses_of(evidence.plan, self.source), addresses_of(evidence.plan, self.to)
        asked = [each for each in sighted if _is(each[1], _REQUESTS) and each[1].src in ours and each[1].dst in theirs]
        replies = [each for each in sighted if _is(each[1], _REPLIES) and each[1].src in theirs and each[1].dst in ours]
        order = {ref: index for index, (ref, _) in enumerate(sighted)}
        # A program may number all of its requests alike, and tell them apart by their data.
        said = {echo_numbers(packet): ref for ref, packet in reversed(asked)}
        known = {(echo_numbers(packet), packet.payload) for _, packet in asked}
        for ref, packet in replies:
            first = said.get(echo_numbers(packet), ref)
            if order[first] < order[ref] and (echo_numbers(packet), packet.payload) not in known:
                text = f"the echo reply of {self.to} has other data than its request"
                return Fault(text, causes.altered(text), (first, ref))
        last = {(echo_numbers(packet), packet.payload): ref for ref, packet in replies}
        left = Counter((echo_numbers(packet), packet.payload) for _, packet in replies)
        answered: list[tuple[FrameRef, FrameRef]] = []
        unanswered: list[Sighted] = []
        for ref, packet in asked:
            echo = echo_numbers(packet), packet.payload
            match = last.get(echo, ref)
            if order[match] <= order[ref]:
                unanswered.append((ref, packet))
            elif left[echo]:  # a request that was repeated counts as often as its reply came
                left[echo] -= 1
                answered.append((ref, match))
        unanswered = self._due(evidence, sighted, answered, unanswered)
        if unanswered:
            lost = len(answered) >= self.count and self._lost(evidence, unanswered)
            if isinstance(lost, Verdict):
                return lost
            if not lost:
                return self._unanswered(evidence, sighted, *unanswered[0])
        if len(answered) < self.count:
            sent = count(len(asked), "echo request") if asked else "no echo request"
            seen = f"{self.source} sent {sent} to {self.to}"
            seen += f", of which {len(answered)} came back" if len(asked) >= self.count else ""
            return self._too_few(evidence, seen, tuple(ref for ref, _ in asked[:4]))
        seen = f"{count(len(answered), 'echo request')} of {self.source}, each answered by {self.to} with the same data"
        seen += f"; {len(unanswered)} more lost on the way" if unanswered else ""
        return seen, tuple(ref for pair in answered[:3] for ref in pair)

    def _due(
        self, evidence: Evidence, sighted: list[Sighted], answered: list[tuple[FrameRef, FrameRef]],
        unanswered: list[Sighted],
    ) -> list[Sighted]:  # fmt: skip
        """Those without what was still on its way when the program was ended: no older than the slowest echo took."""
        if not answered or not unfinished(evidence, [self.source]):
            return unanswered
        packets = dict(sighted)
        said = Counter((echo_numbers(packet), packet.payload) for _, packet in sighted if _is(packet, _REQUESTS))
        took = [packets[back].time - packets[ref].time for ref, back in answered
                if said[echo_numbers(packets[ref]), packets[ref].payload] == 1]  # fmt: skip
        begin = sighted[-1][1].time - max(took, default=-1)
        return [(ref, packet) for ref, packet in unanswered if packet.time < begin]

    def _lost(self, evidence: Evidence, unanswered: list[Sighted]) -> bool | Verdict:
        """Whether all of these were lost by the links, which no program can help: they never came, or left answered.

        A verdict where a link may have lost them and nobody can tell.
        """
        if not evidence.exercise.faults and not any(network.link.loss for network in evidence.plan.networks):
            return False
        points = points_of(evidence, self.to)
        if verdict := unusable(gaps(evidence, points), self.rule, self._expectation()):
            return verdict
        if away := [point for point in points if left_out(evidence, point)]:
            told = f"the links may have lost {count(len(unanswered), 'echo request')}, with no capture at"
            return Verdict(Outcome.NOT_MEASURED, self.rule, self._expectation(), f"{told} {listed(away)}")
        seen = [(FrameRef(point, packet.number), packet) for point in points
                for packet in evidence.captures[point].packets if packet.protocol in (ICMP, ICMPV6)]  # fmt: skip
        there = [packet for _, packet in whole(seen)]
        came = {(echo_numbers(packet), packet.payload) for packet in there if _is(packet, _REQUESTS)}
        left = {(echo_numbers(packet), packet.payload) for packet in there if _is(packet, _REPLIES)}
        lost = [(echo_numbers(packet), packet.payload) for _, packet in unanswered]
        return all(echo not in came or echo in left for echo in lost)

    def _unanswered(self, evidence: Evidence, sighted: list[Sighted], ref: FrameRef, packet: Packet) -> Fault:
        """Why an echo was not answered: an error says so, or nobody does."""
        for other, error in sighted:
            if key_of_quoted(error) == key(packet):
                seen = f"{who(evidence.plan, error.src)} answered the echo request for {self.to}: {_words(error)}"
                cause = Cause("icmp-error", seen, f"the routes on the way from {self.source} to {self.to}")
                return Fault(seen, cause, (ref, other))
        seen = f"{self.to} did not answer the echo request of {self.source}"
        cause = misrouted(evidence, self.source, self.to) or causes.unreachable(self.source, self.to)
        return Fault(seen, cause, (ref,), timed=True)

    def _errors(self, evidence: Evidence, sighted: list[Sighted]) -> Shown | Fault:
        ours, theirs = addresses_of(evidence.plan, self.source), addresses_of(evidence.plan, self.to)
        sent: list[Sighted] = []
        told: list[tuple[Sighted, Sighted]] = []  # an error, and the packet that it is about
        by_key: dict[Key | None, Sighted] = {}
        left: Counter[Key | None] = Counter()  # packets about which no error came yet
        for each in sighted:
            packet = each[1]
            if packet.src in ours and packet.dst in theirs:
                sent.append(each)
                by_key[key(packet)] = each
                left[key(packet)] += 1
            elif packet.dst in ours and packet.checksum_ok is not False and _is(packet, _ANY_ERROR):
                about = key_of_quoted(packet)
                if left[about]:
                    left[about] -= 1
                    told.append((each, by_key[about]))
        right = [pair for pair in told if self._is_right(evidence, pair[0][1])]
        if len(right) < self.count:
            return self._no_error(evidence, sent, told, right)
        error, original = right[0]
        speaker = who(evidence.plan, error[1].src)
        what = f"a packet with TTL {original[1].ttl} for {self.to}"
        seen = f"{speaker} told {self.source} about {what}: {_words(error[1])}"
        if len(right) > 1:
            seen += f"; {len(right)} times in all"
        return seen, tuple(ref for e, o in right[:3] for ref in (o[0], e[0]))

    def _is_right(self, evidence: Evidence, error: Packet) -> bool:
        if not _is(error, _ERRORS[self.message]) or (self.message == "time-exceeded" and error.icmp_code != 0):
            return False
        if self.code is not None and (error.protocol, error.icmp_code) not in _CODES[self.code]:
            return False
        return self.by is None or error.src in addresses_of(evidence.plan, self.by)

    def _no_error(
        self, evidence: Evidence, sent: list[Sighted], told: list[tuple[Sighted, Sighted]],
        right: list[tuple[Sighted, Sighted]],
    ) -> Fault:  # fmt: skip
        frames = tuple(ref for ref, _ in sent[:1])
        if right:
            seen = f"only {count(len(right), 'such error')} came to {self.source}"
            return self._too_few(evidence, seen, tuple(error[0] for error, _ in right))
        if told:
            (ref, error), (sent_ref, _) = told[0]
            speaker = who(evidence.plan, error.src)
            seen = f"{speaker} told {self.source}: {_words(error)}"
            other = self.by is not None and speaker != self.by
            look = "the TTL of the packets, and the routes on their way"
            return Fault(seen, Cause("other-node" if other else "other-error", seen, look), (sent_ref, ref))
        if not sent:
            return self._too_few(evidence, f"{self.source} sent no packet to {self.to}", ())
        if self.message == "unreachable" and (wrong := self._wrong_sum(evidence)):
            return wrong
        seen = f"{count(len(sent), 'packet')} of {self.source} for {self.to}, and no ICMP error about any"
        return Fault(seen, Cause("no-error", seen, "the TTL and the port of the packets"), frames, timed=True)

    def _wrong_sum(self, evidence: Evidence) -> Fault | None:
        """A packet to the node with a wrong checksum, which it has to drop (RFC 1122 §3.2.1.2, §4.1.3.4)."""
        ours, theirs = addresses_of(evidence.plan, self.source), addresses_of(evidence.plan, self.to)
        for point in points_of(evidence, self.source, self.to):
            for packet in evidence.captures[point].judged if point in evidence.captures else ():
                wrong = packet.checksum_ok is False or packet.ip_checksum_ok is False
                if wrong and packet.src in ours and packet.dst in theirs:
                    ref = FrameRef(point, packet.number)
                    text = f"frame {ref} has a wrong checksum, so that nobody answers it"
                    return Fault(text, causes.wrong_checksum(text), (ref,))
        return None

    def _too_few(self, evidence: Evidence, seen: str, frames: tuple[FrameRef, ...]) -> Fault:
        """Too little was sent."""
        if self.message == "echo" and (wrong := self._wrong_sum(evidence)):
            return wrong
        if blame := idle(evidence, [self.source]):
            return Fault(seen, blame.cause, frames, blame.timed)
        if cause := misrouted(evidence, self.source, self.to):
            return Fault(seen, cause, frames)
        if neighbour := unanswered_arp(evidence, self.source):
            return Fault(seen, causes.no_neighbour(self.source, neighbour[0]), (*frames, neighbour[1]))
        cause = causes.nothing_to_judge(self.source, self.to)
        if frames:
            cause = Cause(cause.kind, f"{seen}, where {self.count} at least are asked for", cause.look_at)
        return Fault(seen, cause, frames, unfinished(evidence, [self.source]))


def _is(packet: Packet, kinds: tuple[Message, ...]) -> bool:
    return (packet.protocol, packet.icmp_type) in kinds


def _words(error: Packet) -> str:
    """An error in words."""
    codes = ICMPV6_CODES if error.protocol == ICMPV6 else ICMP_CODES
    return codes.get((error.icmp_type, error.icmp_code), f"ICMP type {error.icmp_type}, code {error.icmp_code}")

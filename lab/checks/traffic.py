"""`traffic`: how much a node sent, where to, and whether it asked again and again instead of waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.connections import counted, points_of
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.kernels_own import answers, housekeeping
from lab.checks.names import addresses_of, count, interfaces_of, listed, mac_bytes
from lab.checks.programs import idle, unfinished
from lab.evidence import Evidence
from lab.grammar import Address, Either, Filter, Int, List, NodeName, Prefix, Size, param
from lab.grammar.nets import AnyAddress, AnyPrefix
from lab.trace.fields import sight
from lab.trace.filter import parse_filter
from lab.trace.fragments import packets_of
from lab.trace.packets import ACK, SYN, TCP, UDP, Packet

_SECOND = 1_000_000_000
_SHOWN = 5
_POLLS = 10  # equal questions in a second that make it polling

Sent = tuple[str, Packet]  # the capture point, and an IP packet that its node sent there
Wholes = Mapping[int, Packet | None]  # what the fragments among them are of, by their id


@dataclass(frozen=True)
class Traffic(Check):
    """What a node sends stays within a budget, goes nowhere that is banned, and is nothing but what is allowed.

    Counted are the IP packets with its own address that leave its interfaces, up to the end of the run; what comes with
    another node's MAC is that one's. What its kernel sends by itself is no program's doing: ARP, neighbour discovery
    and group membership never count, and its answers to packets that came (ICMP errors, echo replies, resets where
    there is no connection) only where `only` admits them. Each fragment is a packet, and is what the datagram is that
    it is of. Where a budget is exceeded by the same question again and again, busy polling is told as the cause;
    `per_second` finds it.
    Whoever sends nothing has kept no budget: there must be a packet, to `to` where that is said, which also proves that
    a banned one would have been captured. All of its interfaces have to be captured.
    """

    kind: ClassVar[str] = "traffic"
    claims: ClassVar[tuple[str, ...]] = ("C15", "C17", "C18")
    rule: ClassVar[str] = "RFC 8085 §3.1 (a sender keeps to a rate), the exercise's own budget"
    says: ClassVar[str] = "client sent 6 packets to 10.0.2.0/24, which must get none"

    source: str = param(NodeName(), "the node whose packets are counted", key="from")
    to: str | None = param(NodeName(), "only packets to this node are counted", default=None)
    most: int | None = param(Int(1, 10**9), "how many packets it may send at most", default=None)
    most_bytes: int | None = param(Size(), "how many bytes its frames may have together", default=None)
    per_second: int | None = param(Int(1, 10**9), "how many packets it may send within any second", default=None)
    never_to: tuple[str | AnyAddress | AnyPrefix, ...] = param(
        List(Either(NodeName(), Address(), Prefix()), single=True), "nodes or addresses that get no packet", default=()
    )
    only: str | None = param(Filter(), "what every one of them must be", default=None)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """A budget or a ban has to be there."""
        if not (self.most or self.most_bytes or self.per_second or self.never_to or self.only):
            yield "check", "nothing is limited", "say one of most, most_bytes, per_second, never_to or only"

    def judge(self, evidence: Evidence) -> Verdict:
        """Count what left the node; the first limit that is broken is told."""
        expected = self._expectation()
        points = points_of(evidence, self.source)
        if verdict := unusable(gaps(evidence, points, [self.source]), self.rule, expected):
            return verdict
        unseen = [point for point in points if left_out(evidence, point)]
        if unseen or not points:
            seen = f"the exercise does not capture at {listed(unseen)}"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        leaving = [(point, packet) for point in points for packet in self._leaving(evidence, point)]
        if len(points) > 1:  # one kernel stamped them all
            leaving.sort(key=lambda each: each[1].time)
        wholes = packets_of(packet for _, packet in leaving)
        everything = self._sent(evidence, leaving, wholes)
        target = addresses_of(evidence.plan, self.to) if self.to else None
        packets = [(point, packet) for point, packet in everything if target is None or packet.dst in target]
        if not packets:
            seen = f"{self.source} sent no packet{f' to {self.to}' if self.to else ''}, so there is nothing to judge"
            return self._nothing(evidence, expected, seen)
        for cause, frames in self._faults(evidence, everything, packets, wholes):
            timed = cause.kind != "banned"  # whoever waits in vain for a busy machine asks again
            return Verdict(Outcome.FAILED, self.rule, expected, cause.text, _refs(frames), cause, timed)
        size = sum(packet.length for _, packet in packets)
        seen = f"{self.source} sent {count(len(packets), 'packet')} with {count(size, 'byte')}"
        seen += f" to {self.to}" if self.to else ""
        seen += f", at most {_peak(packets)[0]} within a second" if self.per_second else ""
        seen += f", none to {listed([str(each) for each in self.never_to], 'or')}" if self.never_to else ""
        return Verdict(Outcome.PASSED, self.rule, expected, seen, _refs(packets))

    def _expectation(self) -> str:
        limits = []
        if self.most is not None:
            limits.append(f"at most {count(self.most, 'packet')}")
        if self.most_bytes is not None:
            limits.append(f"at most {count(self.most_bytes, 'byte')}")
        if self.per_second is not None:
            limits.append(f"at most {count(self.per_second, 'packet')} a second")
        if self.never_to:
            limits.append(f"none to {listed([str(each) for each in self.never_to], 'or')}")
        if self.only is not None:
            limits.append(f"only packets with {self.only}")
        return f"{self.source} sends{f' to {self.to}' if self.to else ''}: {'; '.join(limits)}"

    def _sent(self, evidence: Evidence, sent: Sequence[Sent], wholes: Wholes) -> list[Sent]:
        """What the node sent, without what its kernel answered by itself unless `only` admits that."""
        told = [wholes.get(id(packet), packet) for _, packet in sent]
        kernels = answers(evidence, self.source, [packet for packet in told if packet is not None])
        answered = [each for each, packet in zip(sent, told, strict=True) if id(packet) in kernels]
        others = answered if self.only is None else self._others(evidence, answered, wholes, self.only)
        ignored = {id(packet) for _, packet in others}
        return [each for each in sent if id(each[1]) not in ignored]

    def _leaving(self, evidence: Evidence, point: str) -> list[Packet]:
        """The IP packets of its own that leave an interface; the goodbye of a program that was ended does not count."""
        own, addresses = mac_bytes(evidence.plan.points[point].mac), addresses_of(evidence.plan, self.source)
        router = evidence.plan.by_name[self.source].forwards  # passes on what is another's
        others = {mac_bytes(mac) for mac in evidence.plan.macs} - {own}  # a MAC that is nobody's hides nothing
        kept = {id(packet) for packet in counted(evidence, point)}
        return [
            packet
            for packet in evidence.captures[point].judged
            if packet.version
            and packet.dst_mac != own
            and packet.src_mac not in others
            and (packet.src in addresses or (packet.src_mac == own and not router))
            and not housekeeping(packet)
            and (packet.protocol != TCP or id(packet) in kept)
        ]

    def _nothing(self, evidence: Evidence, expected: str, seen: str) -> Verdict:
        blame = idle(evidence, [self.source, *([self.to] if self.to else [])])
        cause = blame.cause if blame else Cause("no-packets", seen, f"the programs of {self.source}")
        timed = blame.timed if blame else unfinished(evidence, [self.source])
        return Verdict(Outcome.FAILED, self.rule, expected, seen, (), cause, timed)

    def _faults(
        self, evidence: Evidence, everything: Sequence[Sent], packets: Sequence[Sent], wholes: Wholes
    ) -> Iterable[tuple[Cause, Sequence[Sent]]]:
        """Every limit that is broken, bans first: what is wrong, and the packets that show it."""
        for banned in self.never_to:
            hits = [sent for sent in everything if _goes_to(evidence, sent[1], banned)]
            if hits:
                text = f"{self.source} sent {count(len(hits), 'packet')} to {banned}, which must get none"
                yield Cause("banned", text, "the addresses and ports that the program sends to"), hits
        if self.only is not None and (others := self._others(evidence, packets, wholes, self.only)):
            text = f"{self.source} sent {count(len(others), 'packet')} of another kind than {self.only}"
            yield Cause("banned", text, "what the program sends beside what is asked for"), others
        busiest, begin = _peak(packets)
        if self.per_second is not None and busiest > self.per_second:
            text = f"{self.source} sent {count(busiest, 'packet')} within a second, at most {self.per_second} are right"
            yield self._budget(text, packets, wholes), packets[begin:]
        if self.most is not None and len(packets) > self.most:
            text = f"{self.source} sent {count(len(packets), 'packet')}, at most {self.most} are right"
            yield self._budget(text, packets, wholes), packets[self.most :]
        size = sum(packet.length for _, packet in packets)
        if self.most_bytes is not None and size > self.most_bytes:
            text = f"{self.source} sent {count(size, 'byte')}, at most {self.most_bytes} are right"
            yield self._budget(text, packets, wholes), packets[-1:]

    def _others(self, evidence: Evidence, packets: Sequence[Sent], wholes: Wholes, text: str) -> list[Sent]:
        """Those that an expression does not admit; a fragment whose first was lost by a fault may be any datagram's."""
        test = parse_filter(text)
        told = ((each, wholes.get(id(each[1]), each[1])) for each in packets)
        lossy = bool(evidence.exercise.faults)
        return [each for each, whole in told if not test(sight(each[1], whole)) and (whole is not None or not lossy)]

    def _budget(self, text: str, packets: Sequence[Sent], wholes: Wholes) -> Cause:
        """Too much; where most of it is the same question again within a second, that is said."""
        questions = [(sent, question) for sent in packets if (question := _question(sent[1], wholes))]
        if not questions:
            return Cause("budget", text, f"what {self.source} sends, and in which loop")
        (most, often), *_ = Counter(question for _, question in questions).most_common(1)
        same = [sent for sent, question in questions if question == most]
        if often >= _POLLS and _peak(same)[0] >= _POLLS:
            text = f"{text}: {often} times it {most[1]}, {_peak(same)[0]} of them within a second (busy polling)"
            return Cause("busy-polling", text, "where the program waits: in one call that blocks, or in a loop")
        return Cause("budget", text, f"what {self.source} sends, and in which loop")


def _question(packet: Packet, wholes: Wholes) -> tuple[object, str] | None:
    """What a packet asks, so that equal ones are the same question again: a datagram's content, or a connection."""
    whole = wholes.get(id(packet), packet)
    if whole is None or packet.fragment_offset:
        return None  # its first fragment asks
    where = whole.dst, whole.dport
    if whole.protocol == UDP and whole.payload_length >= 0:
        return (*where, whole.payload), f"sent the same datagram to port {whole.dport}"
    if whole.protocol == TCP and whole.flags & (SYN | ACK) == SYN:
        return where, f"tried to connect to port {whole.dport}"
    if whole.protocol == TCP and whole.payload_length > 0:
        return (*where, whole.payload), f"sent the same bytes to port {whole.dport}"
    return None


def _peak(packets: Sequence[Sent]) -> tuple[int, int]:
    """The most packets in any second, and the index of the first of them; in the order of their times."""
    times = sorted(packet.time for _, packet in packets)
    most, begin, first = 0, 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= _SECOND:
            first += 1
        if last - first + 1 > most:
            most, begin = last - first + 1, first
    return most, begin


def _goes_to(evidence: Evidence, packet: Packet, banned: str | AnyAddress | AnyPrefix) -> bool:
    if isinstance(banned, str):
        return packet.dst in addresses_of(evidence.plan, banned) or packet.dst_mac in {
            mac_bytes(interface.mac) for interface in interfaces_of(evidence.plan, banned)
            if not evidence.plan.by_name[banned].forwards
        }  # fmt: skip
    if isinstance(banned, AnyAddress):
        return packet.dst == banned.packed
    size = banned.network_address.max_prefixlen // 8
    shift = banned.network_address.max_prefixlen - banned.prefixlen
    own = int.from_bytes(banned.network_address.packed, "big")
    return len(packet.dst) == size and int.from_bytes(packet.dst, "big") >> shift == own >> shift


def _refs(packets: Sequence[Sent]) -> tuple[FrameRef, ...]:
    return tuple(FrameRef(point, packet.number) for point, packet in packets[:_SHOWN])

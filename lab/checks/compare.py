"""`compare`: the same message by TCP and by UDP, in packets, bytes, round trips and time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause, Check, Outcome, Verdict
from lab.checks.connections import find, points_of
from lab.checks.diagnose import Fault, no_connection
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import addresses_of, count, listed, quoted
from lab.checks.programs import idle
from lab.checks.sightings import Sighted, at_node
from lab.checks.udp_talk import nothing_sent
from lab.evidence import Evidence
from lab.grammar import NodeName, Port, param
from lab.trace.fragments import reassembled
from lab.trace.packets import TCP, UDP, Packet


@dataclass(frozen=True)
class Cost:
    """What a message and its answer took at the asking node: `bytes` are whole frames, `seconds` to the last byte."""

    packets: int
    bytes: int
    round_trips: int
    seconds: float

    def __str__(self) -> str:
        trips = count(self.round_trips, "round trip")
        packets, size = count(self.packets, "packet"), count(self.bytes, "byte")
        return f"{packets}, {size}, the answer after {trips} and {1000 * self.seconds:.1f} ms"


@dataclass(frozen=True)
class Compare(Check):
    """The same bytes went there and back once by TCP and once by UDP, and UDP took fewer packets.

    Counted at the asking node, from the first packet on: all packets of the one connection, and all datagrams between
    the two ports. A round trip is a turn from asking to being answered, up to the last byte of the answer. Repeated
    datagrams count as packets and once as bytes of the message.
    """

    kind: ClassVar[str] = "compare"
    claims: ClassVar[tuple[str, ...]] = ("C17",)
    rule: ClassVar[str] = "RFC 768; RFC 9293 §3.5, §3.6"
    says: ClassVar[str] = "client sent no datagram to port 7000 of server"

    source: str = param(NodeName(), "the node that asks by both", key="from")
    to: str = param(NodeName(), "the node that is asked")
    tcp: int = param(Port(), "the port that is asked by TCP")
    udp: int = param(Port(), "the port that is asked by UDP")

    def judge(self, evidence: Evidence) -> Verdict:
        """Count both at the asking node."""
        expected = f"{self.source} and {self.to} say the same by TCP and by UDP, which takes fewer packets"
        points = points_of(evidence, self.source)
        if verdict := unusable(gaps(evidence, points, [self.source, self.to]), self.rule, expected):
            return verdict
        if away := [point for point in points if left_out(evidence, point)]:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise does not capture {listed(away)}")
        found = find(evidence, self.source, self.to, self.tcp)
        views = [each.at_client for each in found.connections if each.established and each.at_client]
        if not views:
            return self._failed(expected, no_connection(evidence, found, self.source, self.to, self.tcp))
        view = views[0]
        ours, theirs = addresses_of(evidence.plan, self.source), addresses_of(evidence.plan, self.to)
        sighted = at_node(evidence, self.source)
        whole = [packet for packet in reassembled(packet for _, packet in sighted)
                 if _between(packet, UDP, ours, theirs, self.udp) and packet.checksum_ok is not False]  # fmt: skip
        parts = {number for packet in whole for number in packet.fragments}
        datagrams = [each for each in sighted if _between(each[1], UDP, ours, theirs, self.udp)
                     or (each[1].fragment_offset and each[1].number in parts)]  # fmt: skip
        asked = _once(view.client.stream, (packet for packet in whole if packet.src in ours))
        if not asked:
            return self._failed(expected, nothing_sent(evidence, self.source, self.to, self.udp))
        answered = _once(view.server.stream, (packet for packet in whole if packet.src in theirs))
        for name, by_tcp, by_udp in (
            (self.source, view.client.stream, asked), (self.to, view.server.stream, answered)
        ):  # fmt: skip
            if by_tcp != by_udp or not by_tcp:
                seen = f"{name} sent {quoted(by_tcp)} by TCP and {quoted(by_udp)} by UDP"
                # What is not whole may have been cut off, by an error or by a limit.
                short = by_tcp.startswith(by_udp) or by_udp.startswith(by_tcp)
                blame = idle(evidence, [self.source, self.to]) if short else None
                same = Cause("not-the-same", seen, "what is given to send() and to sendto()")
                shown = (view.frame(view.conversation.packets[0]),)
                return self._failed(expected, Fault(seen, blame.cause if blame else same, shown,
                                                    blame.timed if blame else short))  # fmt: skip
        mine = {packet.number for packet in view.conversation.packets}
        segments = [
            each for each in sighted
            if each[1].protocol == TCP and each[1].number in mine
            and view.client.port in (each[1].sport, each[1].dport) and self.tcp in (each[1].sport, each[1].dport)
        ]  # fmt: skip
        tcp, udp = _cost(segments, ours), _cost(datagrams, ours)
        seen = f"TCP: {tcp}; UDP: {udp}"
        refs = (segments[0][0], segments[-1][0], datagrams[0][0], datagrams[-1][0])
        if udp.packets >= tcp.packets:
            cause = Cause("no-cheaper", seen, "how many datagrams one message is cut into, and how often they are sent")
            return self._failed(expected, Fault(seen, cause, refs, timed=True))  # who waits in vain asks again
        return Verdict(Outcome.PASSED, self.rule, expected, seen, refs)

    def _failed(self, expected: str, fault: Fault) -> Verdict:
        return Verdict(Outcome.FAILED, self.rule, expected, fault.seen, fault.frames, fault.cause, fault.timed)


def _between(packet: Packet, protocol: int, ours: frozenset[bytes], theirs: frozenset[bytes], port: int) -> bool:
    if packet.protocol != protocol:
        return False
    asks = packet.src in ours and packet.dst in theirs and packet.dport == port
    return asks or (packet.src in theirs and packet.dst in ours and packet.sport == port)


def _once(wanted: bytes, packets: Iterable[Packet]) -> bytes:
    """The payloads one behind the other, a repeated one once unless `wanted` goes on with it there."""
    made = b""
    known: set[bytes] = set()
    for packet in packets:
        if packet.payload not in known or wanted.startswith(packet.payload, len(made)):
            made += packet.payload
        known.add(packet.payload)
    return made


def _cost(sighted: Sequence[Sighted], ours: frozenset[bytes]) -> Cost:
    packets = [packet for _, packet in sighted]
    last = next((i for i in range(len(packets) - 1, -1, -1) if packets[i].src not in ours and packets[i].payload), 0)
    trips = 0
    asking = False
    for packet in packets[: last + 1]:
        mine = packet.src in ours
        trips += asking and not mine
        asking = mine
    seconds = (packets[last].time - packets[0].time) / 1e9
    return Cost(len(packets), sum(packet.length for packet in packets), trips, seconds)

"""`path`: each packet took exactly this way, and every router treated it as a router does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.datagrams import unanswered
from lab.checks.follow import Leg, Sightings, Stop, legs, unanswered_arp, why_not
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import addresses_of, count, interfaces_of, listed, mac_bytes, who, whose_mac
from lab.checks.programs import idle, trouble
from lab.checks.routing import misrouted, one_way
from lab.evidence import Evidence
from lab.grammar import Choice, List, NodeName, Port, param
from lab.trace.packets import ICMP, ICMPV6, TCP, UDP, Packet
from lab.trace.path import identity

_PROTOCOLS = {"tcp": (TCP,), "udp": (UDP,), "icmp": (ICMP, ICMPV6)}


@dataclass(frozen=True)
class Path(Check):
    """Every packet between two nodes went over exactly these routers, and came out as it went in.

    Judged is each IP packet from one node's address to the other's, in that direction only; the way back where
    `back` is given. On every link: TTL down by one a router, MACs of the two interfaces there, header checksum
    right, addresses, identification, ports and payload as they were.
    """

    kind: ClassVar[str] = "path"
    claims: ClassVar[tuple[str, ...]] = ("C3", "C7")
    rule: ClassVar[str] = "RFC 1812 §5.2.1, §5.3.1; RFC 791 §3.2"
    says: ClassVar[str] = (
        "packet client:eth0#3, client → server: at r1:eth1 the TTL is 64, where 63 is right after 1 router"
    )

    source: str = param(NodeName(), "the node that sends", key="from")
    to: str = param(NodeName(), "the node that the packets are addressed to")
    via: tuple[str, ...] = param(List(NodeName()), "the routers on the way, in order, and no others")
    back: tuple[str, ...] | None = param(
        List(NodeName()), "the routers of the way back, in order; that way is not judged without", default=None
    )
    protocol: str | None = param(Choice("tcp", "udp", "icmp"), "judge packets of this protocol only", default=None)
    port: int | None = param(Port(), "judge packets from or to this port only", default=None)

    def doubts(self) -> Iterable[str]:
        """Why no packet can be meant."""
        if self.protocol == "icmp" and self.port is not None:
            yield "icmp has no ports"

    def judge(self, evidence: Evidence) -> Verdict:
        """Follow every packet over every capture point of its way."""
        expected = f"{self.source} → {self.to} over {listed(self.via) if self.via else 'no router'}"
        if self.back is not None:
            expected += f", back over {listed(self.back) if self.back else 'no router'}"
        ways = [(self.source, self.via, self.to)]
        if self.back is not None:
            ways.append((self.to, self.back, self.source))
        seen: list[str] = []
        frames: list[FrameRef] = []
        for source, via, to in ways:
            verdict = self._one_way(evidence, expected, source, via, to)
            if verdict.outcome is not Outcome.PASSED:
                return verdict
            seen.append(verdict.seen)
            frames += verdict.frames
        return Verdict(Outcome.PASSED, self.rule, expected, "; ".join(seen), tuple(frames))

    def _one_way(self, evidence: Evidence, expected: str, source: str, via: tuple[str, ...], to: str) -> Verdict:
        def failed(seen: str, cause: Cause, frames: tuple[FrameRef, ...] = (), timed: bool = False) -> Verdict:
            return Verdict(Outcome.FAILED, self.rule, expected, seen, frames, cause, timed)

        way = legs(evidence.plan, [source, *via, to])
        if isinstance(way, str):
            return failed(f"{way}, so no packet can go that way", causes.not_forwarded(source, to))
        points = list(dict.fromkeys(p for leg in way for p in (leg.sender.point, leg.receiver.point)))
        own = [interface.point for interface in interfaces_of(evidence.plan, source)]
        if verdict := unusable(gaps(evidence, [*own, *points], [source]), self.rule, expected):
            return verdict
        missing = [point for point in points if left_out(evidence, point)]
        start = next((point for point in points if point not in missing), None)
        if start is None:
            seen = "the exercise captures at no point of this way"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        starts = [point for point in own if point in evidence.captures] or [start]
        everything = [(point, packet) for point in starts for packet in self._wanted(evidence, point, source, to)]
        ends = {point: evidence.captures[point].end for point in starts}
        packets = [(point, packet) for point, packet in everything if packet.number <= ends[point]]
        if not packets:
            return self._nothing(evidence, expected, source, to)

        sightings = Sightings(evidence, (packet for _, packet in packets))
        times = Counter(identity(packet) for _, packet in packets)
        most = Counter(identity(packet) for _, packet in everything)  # an equal one may have left after the end mark
        judged: set[object] = set()
        for point, packet in packets:
            key = identity(packet)
            if key in judged:
                continue
            judged.add(key)
            stop = _follow(evidence, sightings, packet, (times[key], most[key]), way)
            if stop:
                frame = FrameRef(point, packet.number)
                seen = f"packet {frame}, {source} → {to}: {stop.seen}"
                complaint = trouble(evidence, [], submitted=True)
                cause = complaint.cause if complaint else one_way(evidence.plan, source, to) or stop.cause
                return failed(seen, cause, tuple(dict.fromkeys((frame, *stop.frames))), cause.kind == "lost")
        first = packets[0][1]
        ttls = f"TTL {first.ttl}" + (f" to {first.ttl - len(via)}" if via else "")
        where = listed([point for point in points if point not in missing])
        seen = f"{count(len(packets), 'packet')} {source} → {to}, each at {where}, {ttls}"
        seen += f" (not captured: {listed(missing)})" if missing else ""
        shown = tuple(FrameRef(p, q.number) for p in points for q in sightings.at(identity(first), p)[:1])
        return Verdict(Outcome.PASSED, self.rule, expected, seen, shown)

    def _wanted(self, evidence: Evidence, point: str, source: str, to: str) -> list[Packet]:
        """What is to be judged, and later packets like it: from the one node's address to the other's, leaving here."""
        interface = evidence.plan.points[point]
        senders, receivers = addresses_of(evidence.plan, source), addresses_of(evidence.plan, to)
        inbound = mac_bytes(interface.mac) if interface.node == source else b""
        return [
            packet
            for packet in evidence.captures[point].packets
            if packet.src in senders
            and packet.dst in receivers
            and packet.dst_mac != inbound
            and (self.protocol is None or packet.protocol in _PROTOCOLS[self.protocol])
            and (self.port is None or self.port in (packet.sport, packet.dport))
        ]

    def _nothing(self, evidence: Evidence, expected: str, source: str, to: str) -> Verdict:
        kind = " ".join(filter(None, [self.protocol, f"port {self.port}" if self.port else ""]))
        seen = f"{source} sent no packet to {to}{f' ({kind})' if kind else ''}, so there is nothing to judge"
        if trouble(evidence, [to], submitted=True) is None and (datagram := self._datagram(evidence, source, to)):
            ref, port = datagram  # who was not answered to it may well have ended with an error for that
            return Verdict(Outcome.FAILED, self.rule, expected, seen, (ref,), causes.udp_for_tcp(source, port))
        blame = trouble(evidence, [source, to], submitted=True)
        if blame is None and (cause := misrouted(evidence, source, to)):
            return Verdict(Outcome.FAILED, self.rule, expected, seen, (), cause)
        if blame is None and self.protocol in (None, "udp") and (lack := unanswered(evidence, source, to, self.port)):
            what = f"{seen}, though a datagram of {to} arrived"
            return Verdict(Outcome.FAILED, self.rule, expected, what, (lack[1],), lack[0], timed=True)
        if blame := blame or idle(evidence, [source, to]):
            return Verdict(Outcome.FAILED, self.rule, expected, seen, (), blame.cause, blame.timed)
        if neighbour := unanswered_arp(evidence, source):
            cause = causes.no_neighbour(source, neighbour[0])
            return Verdict(Outcome.FAILED, self.rule, expected, f"{seen}: {cause.text}", (neighbour[1],), cause)
        return Verdict(Outcome.FAILED, self.rule, expected, seen, (), causes.nothing_to_judge(source, to))

    def _datagram(self, evidence: Evidence, source: str, to: str) -> tuple[FrameRef, int] | None:
        """A datagram to a port where a check of the exercise asks for TCP, as this one does, and the port."""
        if self.protocol != "tcp":
            return None
        checks = [graded.check for graded in evidence.exercise.checks if graded.check.kind.startswith("tcp-")]
        ports = {getattr(each, "port", None) for each in checks if getattr(each, "to", None) == to}
        for point in [interface.point for interface in interfaces_of(evidence.plan, source)]:
            if point not in evidence.captures:
                continue
            for packet in replace(self, protocol="udp")._wanted(evidence, point, source, to):
                if packet.dport in ports and packet.number <= evidence.captures[point].end:
                    return FrameRef(point, packet.number), packet.dport
        return None


def _follow(
    evidence: Evidence, sightings: Sightings, first: Packet, sent: tuple[int, int], way: list[Leg]
) -> Stop | None:
    """What is wrong with a packet's way, None if nothing is; it was sent so many times, and then so many in all."""
    key = identity(first)
    points = [p for leg in way for p in (leg.sender.point, leg.receiver.point)]
    off_path = [point for point in sightings.points(key) if point not in points]
    start_ttl: int | None = None
    for leg in way:
        for interface, arriving in ((leg.sender, False), (leg.receiver, True)):
            point = interface.point
            if point not in evidence.captures:
                continue
            found = sightings.at(key, point)
            if points.count(point) > 1:  # the same interface on two links: only its frames on this one
                macs = mac_bytes(leg.sender.mac), mac_bytes(leg.receiver.mac)
                found = [packet for packet in found if (packet.src_mac, packet.dst_mac) == macs]
            if len(found) < sent[0]:
                return why_not(evidence, first, way, leg, arriving, off_path)
            if len(found) > sent[1]:
                refs = tuple(FrameRef(point, packet.number) for packet in found[:4])
                cause = causes.wrong_forwarding(f"{point} saw a packet more often than it was sent")
                seen = f"it was sent {count(sent[1], 'time')} and seen {len(found)} times at {point}"
                return Stop(seen, cause, refs)
            if start_ttl is None:
                start_ttl = found[0].ttl + leg.routers
            for packet in found:
                if wrong := _wrong(evidence, packet, leg, start_ttl):
                    return Stop(f"at {point} {wrong.text}", wrong, (FrameRef(point, packet.number),))
    if off_path:
        packet = sightings.at(key, off_path[0])[0]
        node = evidence.plan.points[off_path[0]].node
        sender = whose_mac(evidence.plan, packet.src_mac)
        cause = causes.wrong_next_hop(sender, node, "the nodes of this way alone", who(evidence.plan, packet.dst))
        return Stop(f"it was also seen at {off_path[0]}", cause, (FrameRef(off_path[0], packet.number),))
    return None


def _wrong(evidence: Evidence, packet: Packet, leg: Leg, start_ttl: int) -> Cause | None:
    """What is wrong with a packet on one link of its way."""
    plan = evidence.plan
    if packet.ttl != start_ttl - leg.routers:
        text = f"the TTL is {packet.ttl}, where {start_ttl - leg.routers} is right after {count(leg.routers, 'router')}"
        return causes.wrong_forwarding(text)
    if packet.src_mac != mac_bytes(leg.sender.mac):
        return causes.wrong_mac(f"the frame comes from {whose_mac(plan, packet.src_mac)}, not from {leg.sender.node}")
    if packet.dst_mac != mac_bytes(leg.receiver.mac):
        return causes.wrong_mac(f"the frame goes to {whose_mac(plan, packet.dst_mac)}, not to {leg.receiver.node}")
    if packet.ip_checksum_ok is False or packet.checksum_ok is False:
        text = f"the {'IP header' if packet.ip_checksum_ok is False else 'transport'} checksum is wrong"
        return causes.wrong_forwarding(text) if leg.routers else causes.wrong_checksum(text)
    return None

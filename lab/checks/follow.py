"""One packet on its way: where it was seen again, what was changed in it, and why it went no further."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from lab.checks import causes
from lab.checks.base import Cause, FrameRef
from lab.checks.names import address_of, interfaces_of, mac_bytes, who
from lab.evidence import Evidence
from lab.plan import Plan, PlannedInterface
from lab.trace.packets import ICMP, ICMPV6, Packet, mac_text
from lab.trace.path import Identity, identity

_NO_ROUTE = {(ICMP, 3, 0), (ICMP, 3, 1), (ICMPV6, 1, 0), (ICMPV6, 1, 3)}  # protocol, type, code: RFC 792, RFC 4443
_TTL_RAN_OUT = {(ICMP, 11, 0), (ICMPV6, 3, 0)}


@dataclass(frozen=True)
class Leg:
    """One link of a way: the frame goes from `sender` to `receiver`, `routers` have been passed before."""

    sender: PlannedInterface
    receiver: PlannedInterface
    routers: int


def legs(plan: Plan, nodes: list[str]) -> list[Leg] | str:
    """The links of a way through these nodes, or the sentence that says which two have no network in common."""
    found = []
    for index, (a, b) in enumerate(pairwise(nodes)):
        shared = [(i, j) for i in interfaces_of(plan, a) for j in interfaces_of(plan, b) if i.network == j.network]
        if not shared:
            return f"{a} and {b} have no network in common"
        found.append(Leg(*shared[0], index))
    return found


class Sightings:
    """Every IP packet of the evidence by what it is, at each capture point."""

    def __init__(self, evidence: Evidence, wanted: Iterable[Packet]) -> None:
        self.evidence = evidence
        keys = {identity(packet) for packet in wanted}
        self._seen: dict[Identity, dict[str, list[Packet]]] = {key: defaultdict(list) for key in keys}
        for point, capture in evidence.captures.items():
            for packet in capture.packets:
                if packet.version and (places := self._seen.get(identity(packet))) is not None:
                    places[point].append(packet)

    def at(self, key: Identity, point: str) -> list[Packet]:
        """The packet's sightings at a capture point, in their order."""
        return self._seen.get(key, {}).get(point, [])

    def points(self, key: Identity) -> list[str]:
        """Where it was seen and meant: at an interface that sent it, or that it was addressed to."""
        found = []
        for point, packets in self._seen.get(key, {}).items():
            interface = self.evidence.plan.points.get(point)
            own = mac_bytes(interface.mac) if interface else b""
            if any(own in (packet.src_mac, packet.dst_mac) for packet in packets):
                found.append(point)
        return found


def no_route(packet: Packet) -> bool:
    """Whether a packet is a node's word that it has no way to a destination."""
    return (packet.protocol, packet.icmp_type, packet.icmp_code) in _NO_ROUTE


def ttl_ran_out(packet: Packet) -> bool:
    """Whether a packet is a node's word that it had to discard another whose TTL ran out."""
    return (packet.protocol, packet.icmp_type, packet.icmp_code) in _TTL_RAN_OUT


def errors_about(evidence: Evidence, packet: Packet) -> Iterator[tuple[FrameRef, Packet]]:
    """Such words that quote a packet, by its IP header (RFC 792, RFC 4443 §2.4)."""
    for point, capture in evidence.captures.items():
        for error in capture.packets:
            if (no_route(error) or ttl_ran_out(error)) and _quotes(error, packet):
                yield FrameRef(point, error.number), error


def _quotes(error: Packet, packet: Packet) -> bool:
    quote = error.payload
    if error.version == 6:
        return quote[8:40] == packet.src + packet.dst
    return quote[12:20] == packet.src + packet.dst and quote[4:6] == packet.identification.to_bytes(2, "big")


def unanswered_arp(evidence: Evidence, node: str) -> tuple[str, FrameRef] | None:
    """An address whose MAC a node asked for in vain, and the first request."""
    for interface in interfaces_of(evidence.plan, node):
        capture = evidence.captures.get(interface.point)
        if capture is None:
            continue
        own = mac_bytes(interface.mac)
        answered = {p.arp_sender for p in capture.packets if p.arp_operation and p.arp_sender_mac != own}
        for packet in capture.packets:
            if packet.arp_operation == 1 and packet.arp_sender_mac == own and packet.arp_target not in answered:
                return str(address_of(packet.arp_target)), FrameRef(interface.point, packet.number)
    return None


def altered(evidence: Evidence, packet: Packet, way: list[Leg]) -> tuple[Cause, FrameRef] | None:
    """The same packet with one thing changed that no router may change: what it was, and where it was seen so."""
    points = dict.fromkeys(p for leg in way for p in (leg.sender.point, leg.receiver.point))
    captured = [point for point in points if point in evidence.captures]
    sent = {identity(other) for point in captured[:1] for other in evidence.captures[point].packets}
    for point in captured[1:]:
        for other in evidence.captures[point].packets:
            change = _change(evidence.plan, packet, other)
            if change and identity(other) not in sent:
                return causes.rewritten(who(evidence.plan, packet.src), *change), FrameRef(point, other.number)
    return None


def _change(plan: Plan, packet: Packet, other: Packet) -> tuple[str, str] | None:
    """The one field (or address and port together) in which two packets differ, and its new value."""
    if other.version != packet.version or other.protocol != packet.protocol:
        return None
    fields: dict[str, tuple[bytes | int, bytes | int]] = {
        "source address": (packet.src, other.src),
        "source port": (packet.sport, other.sport),
        "destination address": (packet.dst, other.dst),
        "destination port": (packet.dport, other.dport),
        "identification": (packet.identification, other.identification),
        "sequence number": (packet.seq, other.seq),
        "acknowledgement number": (packet.ack, other.ack),
        "flags": (packet.flags, other.flags),
        "payload": (packet.payload, other.payload),
    }
    changed = [name for name, (before, after) in fields.items() if before != after]
    if len({name.split()[0] for name in changed}) != 1 or (not packet.identification and changed != ["identification"]):
        return None
    after = fields[changed[0]][1]
    if changed[0] in ("payload", "flags"):
        return changed[0], ""
    return changed[0], f"{who(plan, after)}'s" if isinstance(after, bytes) else str(after)


@dataclass(frozen=True)
class Stop:
    """Why a packet went no further: in a sentence, with its cause and the frames that show it."""

    seen: str
    cause: Cause
    frames: tuple[FrameRef, ...] = ()


def why_not(evidence: Evidence, packet: Packet, way: list[Leg], leg: Leg, arriving: bool, off_path: list[str]) -> Stop:
    """Why a packet was not seen where `leg` begins, or ends if `arriving`; `off_path`: points where it was instead."""
    plan = evidence.plan
    destination = who(plan, packet.dst)
    before = leg.sender.node
    for ref, error in errors_about(evidence, packet):
        node = who(plan, error.src)
        if ttl_ran_out(error):
            return Stop(f"its TTL ran out at {node}", causes.loop(node), (ref,))
        if node != destination:
            if neighbour := unanswered_arp(evidence, node):
                return Stop(f"{node} asked for the MAC of {neighbour[0]} and nobody answered",
                            causes.no_neighbour(node, neighbour[0]), (ref, neighbour[1]))  # fmt: skip
            return Stop(f"{node} answered that it has no route", causes.no_route(node, destination), (ref,))
    strays = [(point, stray) for point in off_path for stray in _at(evidence, point, packet)]
    for point, stray in sorted(strays, key=lambda one: -one[1].ttl):
        receiver, sender = plan.points[point].node, plan.macs.get(mac_text(stray.src_mac))
        wanted = next((each.receiver.node for each in way if sender and each.sender.node == sender.node), None)
        if sender and wanted and sender.node != receiver:
            cause = causes.wrong_next_hop(sender.node, receiver, wanted, destination)
            return Stop(f"it came to {point}, which is not on this way", cause, (FrameRef(point, stray.number),))
    if found := altered(evidence, packet, way):
        return Stop(found[0].text, found[0], (found[1],))
    own = [interface.point for interface in interfaces_of(plan, before) if interface.point in evidence.captures]
    last = tuple(FrameRef(point, other.number) for point in own for other in _at(evidence, point, packet))[:1]
    if arriving:
        return Stop(f"{leg.sender.point} sent it and {leg.receiver.point} did not receive it",
                    causes.lost(leg.sender.point, leg.receiver.point), last)  # fmt: skip
    if neighbour := unanswered_arp(evidence, before):
        return Stop(f"{before} asked for the MAC of {neighbour[0]} and nobody answered",
                    causes.no_neighbour(before, neighbour[0]), (*last, neighbour[1]))  # fmt: skip
    return Stop(f"{before} received it and did not send it on to {leg.receiver.node}",
                causes.not_forwarded(before, leg.receiver.node), last)  # fmt: skip


def _at(evidence: Evidence, point: str, packet: Packet) -> Iterator[Packet]:
    key = identity(packet)
    return (other for other in evidence.captures[point].packets if other.version and identity(other) == key)

"""One packet over many links: what was sent here is found again there, ordered by causality and never by the clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from itertools import pairwise

from lab.trace import numbers
from lab.trace.packets import Packet

Captures = Mapping[str, Sequence[Packet]]
Identity = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """A packet as one capture point (`node:interface`) saw it."""

    point: str
    packet: Packet


@dataclass(frozen=True, slots=True)
class Crossing:
    """One frame on one link: the same bytes at each capture point that saw it, the sender's first."""

    sightings: tuple[Sighting, ...]

    @property
    def packet(self) -> Packet:
        """The frame, as its first sighting has it."""
        return self.sightings[0].packet

    def seen_at(self, point: str) -> Packet | None:
        """The frame at that capture point, if it was seen there."""
        return next((sighting.packet for sighting in self.sightings if sighting.point == point), None)


def identity(packet: Packet) -> Identity:
    """What no router may change (RFC 1812 section 5.3.1, RFC 8200 section 3): equal for one packet on all its links.

    The addresses, the protocol, the IP identification and fragment, and all from the transport header on. IPv6 has
    no identification, and Linux leaves it 0 in some packets, so a repeated segment may have the identity of the first.
    """
    end = packet.payload_start + packet.payload_length
    content = packet.data[packet.transport_start : end]
    where = packet.identification, packet.fragment_offset, packet.more_fragments
    return packet.version, packet.src, packet.dst, packet.protocol, *where, content


class Paths:
    """Captures of many points, made ready to be asked about many packets.

    `macs` gives the MAC of each capture point's interface, where known: it tells a link's sender from its receiver.
    Equal packets are matched by the order of their occurrence: the nth here is the nth there.
    """

    def __init__(self, captures: Captures, macs: Mapping[str, bytes] | None = None) -> None:
        self.captures = captures
        self._macs = macs or {}
        frames: dict[tuple[bytes, int], list[Sighting]] = defaultdict(list)
        for point, packets in captures.items():
            copies: dict[bytes, int] = defaultdict(int)
            for packet in packets:
                frames[packet.data, copies[packet.data]].append(Sighting(point, packet))
                copies[packet.data] += 1
        self._frames = [Crossing(tuple(sorted(seen, key=self._role))) for seen in frames.values()]
        self._of = {id(s.packet): crossing for crossing in self._frames for s in crossing.sightings}
        links: dict[tuple[Identity, int, bytes, bytes], list[Crossing]] = defaultdict(list)
        for crossing in self._frames:
            if crossing.packet.version:
                links[_on_link(crossing.packet)].append(crossing)
        self._hops: dict[tuple[Identity, int], list[Crossing]] = defaultdict(list)
        self._copy: dict[int, int] = {}
        for (name, *_), copies_there in links.items():
            for copy, crossing in enumerate(copies_there):
                self._hops[name, copy].append(crossing)
                self._copy[id(crossing)] = copy
        for hops in self._hops.values():
            hops.sort(key=lambda crossing: -crossing.packet.ttl)

    def _role(self, sighting: Sighting) -> int:
        """The sender's own interface first, the receiver's last, bystanders between."""
        own = self._macs.get(sighting.point)
        return 0 if own == sighting.packet.src_mac else 2 if own == sighting.packet.dst_mac else 1

    def crossing(self, packet: Packet) -> Crossing:
        """The frame with all its sightings; raises KeyError for a packet that is not in the captures."""
        return self._of[id(packet)]

    def crossings(self, packet: Packet) -> list[Crossing]:
        """The links that a packet went over, in order; a frame without an IP packet goes over one."""
        crossing = self.crossing(packet)
        if not packet.version:
            return [crossing]
        return self._hops[identity(packet), self._copy[id(crossing)]]

    def hops(self, packet: Packet) -> list[Sighting]:
        """Everywhere a packet was seen, in order: TTL descending, on each link the sender's point first."""
        way = self.crossings(packet)
        nodes = [{_node(s.point) for s in crossing.sightings} for crossing in way]
        found: list[Sighting] = []
        for index, crossing in enumerate(way):
            before = nodes[index - 1] if index else set()
            after = nodes[index + 1] if index + 1 < len(way) else set()

            def rank(sighting: Sighting, before: set[str] = before, after: set[str] = after) -> int:
                role, node = self._role(sighting), _node(sighting.point)
                if role != 1:
                    return role
                return 0 if node in before else 2 if node in after else 1

            found += sorted(crossing.sightings, key=rank)
        return found

    def in_order(self) -> list[Crossing]:
        """Every frame on every link, in an order that no capture and no packet's way contradicts.

        Frames between which neither decides are ordered by the clock, for reading only; so is a contradiction.
        """
        followers: dict[int, list[int]] = defaultdict(list)
        waits = [0] * len(self._frames)
        place = {id(crossing): index for index, crossing in enumerate(self._frames)}
        for first, second in self._known_order():
            a, b = place[id(first)], place[id(second)]
            if a != b:
                followers[a].append(b)
                waits[b] += 1
        times = [min(s.packet.time for s in crossing.sightings) for crossing in self._frames]
        ready = [(times[i], i) for i, count in enumerate(waits) if not count]
        heapify(ready)
        left = sorted(range(len(waits)), key=lambda i: times[i], reverse=True)
        done = [False] * len(waits)
        ordered: list[Crossing] = []
        while len(ordered) < len(waits):
            if ready:
                _, current = heappop(ready)
            else:
                current = left.pop()
            if done[current]:
                continue
            done[current] = True
            ordered.append(self._frames[current])
            for follower in followers[current]:
                waits[follower] -= 1
                if not waits[follower]:
                    heappush(ready, (times[follower], follower))
        return ordered

    def _known_order(self) -> Iterator[tuple[Crossing, Crossing]]:
        for packets in self.captures.values():
            for first, second in pairwise(packets):
                yield self._of[id(first)], self._of[id(second)]
        for hops in self._hops.values():
            yield from pairwise(hops)


def hops(packet: Packet, point: str, captures: Captures, macs: Mapping[str, bytes] | None = None) -> list[Sighting]:
    """Everywhere that the packet, seen at `point`, was seen; see `Paths` for many packets at once."""
    known = captures if any(each is packet for each in captures.get(point, ())) else {**captures, point: [packet]}
    return Paths(known, macs).hops(packet)


def rewritten(packet: Packet, captures: Captures) -> list[Sighting]:
    """Where a packet was seen that looks the same but for addresses or ports: as NAT would leave it (RFC 3022)."""
    wanted, own = _translated(packet), _endpoints(packet)
    return [
        Sighting(point, other)
        for point, packets in captures.items()
        for other in packets
        if other.version == packet.version and _endpoints(other) != own and _translated(other) == wanted
    ]


def _translated(packet: Packet) -> Identity:
    """What address translation keeps."""
    kept: Identity = packet.protocol, packet.identification, packet.fragment_offset, packet.payload
    match packet.protocol:
        case _ if packet.fragment_offset:
            return kept
        case numbers.TCP:
            return *kept, packet.seq, packet.ack, packet.flags, packet.options
        case numbers.ICMP | numbers.ICMPV6:
            return *kept, packet.icmp_type, packet.icmp_code
    return kept


def _endpoints(packet: Packet) -> Identity:
    return packet.src, packet.dst, packet.sport, packet.dport


def _on_link(packet: Packet) -> tuple[Identity, int, bytes, bytes]:
    return identity(packet), packet.ttl, packet.src_mac, packet.dst_mac


def _node(point: str) -> str:
    return point.partition(":")[0]

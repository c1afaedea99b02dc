"""Segments that left one end of a connection and never came to the other, and what became of their bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.checks.connections import Connection, Seen, points_of
from lab.checks.stalls import acknowledged
from lab.evidence import Evidence
from lab.trace.flows import Segment, Side
from lab.trace.options import SACK
from lab.trace.packets import ACK, FIN, RST, SYN, Packet, tcp_options
from lab.trace.path import Identity, identity

_AT_ONCE = 20_000_000  # ns; what an acknowledgement sets off leaves at once, and a time-out is 200 ms or more


@dataclass(frozen=True, eq=False)
class Loss:
    """Bytes of one side that were lost on their way, as its own capture shows it.

    `copies` are all segments that carried the first of these bytes and were lost, `repair` the one that arrived, and
    `fast` whether duplicate acknowledgements (`duplicates` of them) called for that one: RFC 5681 §3.2, and RFC 8985
    where selective acknowledgements let fewer than three do. Else a timer did (RFC 6298 §5, RFC 8985 §7).
    """

    view: Seen
    side: Side
    start: int
    end: int
    copies: tuple[Packet, ...]
    repair: Packet | None
    duplicates: int
    fast: bool

    @property
    def acknowledged(self) -> bool:
        """Whether the other side acknowledged the bytes."""
        return (self.view.conversation.peer(self.side).highest_ack or 0) >= self.end

    @property
    def delay(self) -> int:
        """Nanoseconds from the first lost copy to the repair; 0 where there is none."""
        return self.repair.time - self.copies[0].time if self.repair else 0

    @property
    def name(self) -> str:
        """What was lost, in words."""
        flags = self.copies[0].flags
        if flags & SYN:
            return "the SYN-ACK" if flags & ACK else "the SYN"
        if self.copies[0].payload_length == 0:
            return "the FIN"
        end = self.start + self.copies[0].payload_length
        return f"the segment with byte{'' if end == self.start + 1 else 's'} {_bytes(self.start + 1, end)}"


def _bytes(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def losses(evidence: Evidence, connection: Connection, client_sends: bool) -> list[Loss]:
    """What one side of a connection lost, in the order of sending; nothing where an end was not captured.

    A segment that came late, or was sent again although it had arrived, was not lost.
    """
    ours, theirs = connection.at_client, connection.at_server
    view, other = (ours, theirs) if client_sends else (theirs, ours)
    if view is None or other is None:
        return []
    side = view.client if client_sends else view.server
    sent = list(_occupying(view, side))
    missing = _not_arrived([segment.packet for segment in sent], _arrivals(evidence, other))
    found: list[Loss] = []
    known: set[int] = set()
    for index, segment in enumerate(sent):
        start, end = _range(segment)
        if id(segment.packet) not in missing or start in known:
            continue
        known.add(start)
        later = [each for each in sent[index:] if _range(each)[0] <= start < _range(each)[1]]
        repair = next((each.packet for each in later if id(each.packet) not in missing), None)
        copies = tuple(each.packet for each in later if id(each.packet) in missing)
        asking = list(_asking(view, side, segment.packet, repair))
        limit = _AT_ONCE + view.conversation.rtt
        fast = repair is not None and bool(asking) and repair.time - asking[-1].time <= limit
        found.append(Loss(view, side, start, end, copies, repair, len(asking), fast))
    return found


def _occupying(view: Seen, side: Side) -> Iterator[Segment]:
    """A side's segments that take part of the sequence space, so that their loss has to be repaired.

    A keep-alive's byte was acknowledged long before; one that was not is the last byte, sent again.
    """
    acked = 0
    for segment in view.conversation.segments:
        packet = segment.packet
        if segment.side is not side:
            acked = max(acked, acknowledged(side, packet)) if packet.flags & ACK else acked
        elif "keep-alive" in segment.kinds and segment.end <= acked:
            continue
        elif not packet.flags & RST and (packet.payload_length or packet.flags & (SYN | FIN)):
            yield segment


def _range(segment: Segment) -> tuple[int, int]:
    flags = segment.packet.flags
    return segment.start - bool(flags & SYN), segment.end + bool(flags & FIN)


def _arrivals(evidence: Evidence, other: Seen) -> Counter[Identity]:
    """What came to the other end, also after the end of the judged phase: it was not lost."""
    points = [point for point in points_of(evidence, other.node) if point in evidence.captures]
    raw = Counter(identity(packet) for point in points for packet in evidence.captures[point].packets if packet.version)
    return raw | Counter(identity(packet) for packet in other.conversation.packets)


def _not_arrived(sent: Iterable[Packet], arrived: Counter[Identity]) -> set[int]:
    """The ids of what did not arrive; of equal packets the last ones did, since a repeated one makes up for another."""
    left = Counter(arrived)
    missing = set()
    for packet in reversed(list(sent)):
        key = identity(packet)
        if left[key] > 0:
            left[key] -= 1
        else:
            missing.add(id(packet))
    return missing


def _asking(view: Seen, side: Side, lost: Packet, repair: Packet | None) -> Iterator[Packet]:
    """The acknowledgements between a loss and its repair that tell of later segments, by SACK or by repeating.

    They name the first gap of several; that there are more only their SACK blocks tell.
    """
    inside = False
    for segment in view.conversation.segments:
        packet = segment.packet
        if packet is repair:
            return
        if packet is lost:
            inside = True
        elif inside and segment.side is not side:
            blocks = [edges for kind, _, value in tcp_options(packet) if kind == SACK and isinstance(value, tuple)
                      for edges in value if isinstance(edges, tuple)]  # fmt: skip
            here = packet.ack == lost.seq and (blocks or "duplicate-ack" in segment.kinds)
            if here or any(0 < (left - lost.seq) % 2**32 < 2**31 for left, _ in blocks):
                yield packet

"""`raw`: what a program put on the wire by itself, past the kernel's own layers, as its neighbours received it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import count as counted
from lab.checks.names import interfaces_of, listed, mac_bytes, quoted, whose_mac
from lab.checks.programs import idle, unfinished
from lab.checks.where import Count, Number
from lab.evidence import Evidence
from lab.grammar import Bool, Filter, NodeName, Payload, param
from lab.plan import Plan, PlannedInterface
from lab.trace.fields import FIELDS, PROTOCOLS, sights
from lab.trace.filter import parse_filter
from lab.trace.packets import Packet

_SHOWN = 5
_SHORTEST = 60  # bytes of an Ethernet frame without its checksum; shorter ones may be padded (IEEE 802.3 section 3.2.8)
_SOME = Number(1, None)
_VOCABULARY = ", ".join((*PROTOCOLS, *FIELDS))


@dataclass(frozen=True)
class Raw(Check):
    """The neighbours of a node received so many frames from it that satisfy an expression, with right checksums.

    A step with `privilege: net-raw` makes them by SOCK_RAW, without a transport layer of the kernel's, or by AF_PACKET,
    without a network layer either; its own node's captures are not asked. A frame is a node's where its source MAC is,
    or where it is nobody's: a made-up one. One that several neighbours received is one frame. Where a header says a
    length that cannot be, no checksum is right. `payload` is all that follows the last header: the frame's where its
    EtherType is none that is decoded here, IP's where its protocol is none. That the program made it and not the kernel
    is for the check sockets to show.
    """

    kind: ClassVar[str] = "raw"
    claims: ClassVar[tuple[str, ...]] = ("C3", "C4", "C19")
    rule: ClassVar[str] = "raw(7), packet(7); RFC 791 §3.1, RFC 792, RFC 1071: headers and their checksums"
    says: ClassVar[str] = "0 such frames of 7 frames from client came to other:eth0 and r1:eth0"

    source: str = param(NodeName(), "the node whose program makes the frames", key="from")
    packets: str = param(Filter(), f"which frames are counted; the words are {_VOCABULARY}")
    count: Number = param(Count(), "how many there must be", default=_SOME)
    payload: bytes | None = param(
        Payload(), "what each of them must carry behind its headers; zeros that pad a short frame aside", default=None
    )
    checksums: bool = param(Bool(), "whether all checksums in them must be right", default=True)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """A count that 0 satisfies passes where nothing was sent at all."""
        if self.count.admits(0):
            yield "count", f"count: {self.count} is also right where no frame was sent", "the check where has among:"

    def judge(self, evidence: Evidence) -> Verdict:
        """Look at every neighbour's capture."""
        expected = f"{self.source}'s neighbours receive frames from it with {self.packets}: {self.count}"
        if self.payload is not None:
            expected += f", each with {quoted(self.payload)}"
        neighbours = _neighbours(evidence.plan, self.source)
        if not neighbours:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"{self.source} has no neighbour")
        if verdict := unusable(gaps(evidence, neighbours, [self.source]), self.rule, expected):
            return verdict
        points = [point for point in neighbours if not left_out(evidence, point)]
        if not points:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, "no neighbour's packets are captured")
        test = parse_filter(self.packets)
        sent = {point: _sent(evidence, point, neighbours[point]) for point in points}
        found = {point: [sight.frame for sight in sights(sent[point]) if test(sight)] for point in points}
        first = {packet.data: FrameRef(point, packet.number) for point in reversed(points)
                 for packet in reversed(found[point])}  # fmt: skip
        number = _distinct(found)
        frames = tuple(sorted(first.values(), key=lambda ref: (points.index(ref.point), ref.number))[:_SHOWN])
        if not self.count.admits(number):
            blame = idle(evidence, [self.source]) if number < self.count.least else None
            seen = (f"{counted(number, 'such frame')} of {counted(_distinct(sent), 'frame')} from {self.source} "
                    f"came to {listed(points)}")  # fmt: skip
            timed = blame.timed if blame else number < self.count.least and unfinished(evidence, [self.source])
            cause = blame.cause if blame else Cause("wrong-count", seen, f"the headers, field by field: {self.packets}")
            return Verdict(Outcome.FAILED, self.rule, expected, seen, frames, cause, timed)
        if self.checksums:
            wrong = [(FrameRef(at, each.number), _wrong_sum(each)) for at in points for each in found[at]]
            malformed = ((point, packet) for point in points for packet in found[point] if packet.malformed)
            for point, packet in malformed:
                seen = f"a frame from {self.source} is malformed: {packet.refusal}"
                cause = Cause("malformed", seen, "the lengths in the headers: of what, in which unit and byte order")
                return Verdict(Outcome.FAILED, self.rule, expected, seen, (FrameRef(point, packet.number),), cause)
            for ref, name in wrong:
                if name:
                    seen = f"the {name} of a frame from {self.source} is wrong"
                    cause = causes.wrong_checksum(seen)
                    return Verdict(Outcome.FAILED, self.rule, expected, seen, (ref,), cause)
        if other := next((each for at in points for each in found[at] if not self._carries(each)), None):
            seen = f"a frame from {self.source} carries {quoted(other.payload)}, not {quoted(self.payload or b'')}"
            cause = Cause("differs", seen, "what follows the last header, and where it comes from")
            return Verdict(Outcome.FAILED, self.rule, expected, seen, (first[other.data],), cause)
        shown = next(packet for point in points for packet in found[point])
        seen = (f"{counted(number, 'frame')} from {whose_mac(evidence.plan, shown.src_mac)} to "
                f"{whose_mac(evidence.plan, shown.dst_mac)}, EtherType 0x{shown.ethertype:04x}")  # fmt: skip
        return Verdict(Outcome.PASSED, self.rule, expected, seen, frames)

    def _carries(self, packet: Packet) -> bool:
        """Whether a frame carries what is demanded, if anything is."""
        wanted, got = self.payload, packet.payload
        if wanted is None or got == wanted:
            return True
        padded = not packet.version and packet.length <= _SHORTEST
        return padded and got.startswith(wanted) and not got[len(wanted) :].strip(b"\0")


def _neighbours(plan: Plan, node: str) -> dict[str, PlannedInterface]:
    """The capture points beside a node's interfaces, each with the interface that it is beside."""
    own = {each.network: each for each in interfaces_of(plan, node)}
    return {each.point: own[each.network] for each in plan.interfaces if each.network in own and each.node != node}


def _sent(evidence: Evidence, point: str, interface: PlannedInterface) -> list[Packet]:
    """What came to a capture point from an interface of its segment, or from a MAC that is nobody's."""
    known = {mac_bytes(each.mac) for each in evidence.plan.interfaces} - {mac_bytes(interface.mac)}
    return [each for each in evidence.captures[point].judged if each.src_mac and each.src_mac not in known]


def _distinct(found: Mapping[str, Iterable[Packet]]) -> int:
    """How many frames there are: of equal ones as many as the neighbour that received most of them."""
    most: Counter[bytes] = Counter()
    for packets in found.values():
        most |= Counter(packet.data for packet in packets)
    return most.total()


def _wrong_sum(packet: Packet) -> str:
    """The name of a checksum that is wrong, or nothing."""
    named: Iterator[tuple[bool | None, str]] = iter((
        (packet.ip_checksum_ok, "IP header's checksum"), (packet.checksum_ok, "checksum behind the IP header"),
    ))  # fmt: skip
    return next((name for right, name in named if right is False), "")

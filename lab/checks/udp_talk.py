"""What two nodes said to each other by UDP, as both ends saw it, and why there was nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from lab.checks import causes, causes_talk, datagrams
from lab.checks.base import Cause, FrameRef
from lab.checks.connections import points_of
from lab.checks.diagnose import Fault
from lab.checks.follow import unanswered_arp
from lab.checks.names import addresses_of, quoted, who
from lab.checks.programs import gone, overdue, trouble, unfinished
from lab.checks.routing import misrouted
from lab.checks.sightings import in_its_name
from lab.evidence import Evidence
from lab.plan import Plan
from lab.trace.fragments import reassembled
from lab.trace.packets import ACK, SYN, TCP, UDP, Packet


@dataclass(frozen=True)
class Sent:
    """A datagram, where it lies, and its place in the order of its node."""

    ref: FrameRef
    packet: Packet
    place: int

    @property
    def payload(self) -> bytes:
        """What it carries."""
        return self.packet.payload


@dataclass(frozen=True)
class Talk:
    """One node's datagrams to a port of another: as it `sent` them and as they `arrived`; those `lost` never did.

    `received` came from that port to the asking node, as that saw it; `there` are all datagrams of the other node.
    """

    sent: tuple[Sent, ...]
    arrived: tuple[Sent, ...]
    received: tuple[Sent, ...]
    there: tuple[Sent, ...]
    lost: tuple[Sent, ...]

    @property
    def unanswered(self) -> Sent | None:
        """The last question as it arrived, where nothing came back after it was sent."""
        last = self.sent[-1]
        if not self.arrived or self.arrived[-1].payload != last.payload:
            return None
        return None if any(each.place > last.place for each in self.received) else self.arrived[-1]


def misaddressed(plan: Plan, said: Talk, to: str, port: int, wanted: tuple[bytes, ...]) -> Fault | None:
    """An answer that went to another than who asked, or came from another port than was asked.

    Such is an answer that is `wanted` and never came, and what is sent next after a question arrived that never was
    answered, unless it may belong to an older question.
    """
    own = addresses_of(plan, to)
    got = {each.payload for each in said.received}
    out = [each for each in said.there if each.packet.src in own]
    strays = [(said.arrived[0], each) for each in out if each.payload in wanted and each.payload not in got
              and said.arrived]  # fmt: skip
    if (question := said.unanswered) is not None:
        following = next((each for each in said.there if each.place > question.place), None)
        if following is not None and following.packet.src in own and not _owed(said, following, question):
            strays.append((question, following))
    askers = {(each.packet.src, each.packet.sport) for each in said.arrived}
    for question, answer in strays:
        there = f"{who(plan, answer.packet.dst)} port {answer.packet.dport}"
        asker = f"{who(plan, question.packet.src)} port {question.packet.sport}"
        frames = (question.ref, answer.ref)
        if answer.packet.sport != port and answer.packet.dst == question.packet.src:
            seen = f"{to} answered from port {answer.packet.sport}, where port {port} had been asked"
            cause = Cause("other-port", seen, "the socket that sends the answer: the one that got the question")
            return Fault(seen, cause, frames)
        if (answer.packet.dst, answer.packet.dport) not in askers:
            seen = f"{to} sent {quoted(answer.payload)} to {there}, where {asker} had asked"
            return Fault(seen, wrong_client(to), frames)
    return None


def _owed(said: Talk, answer: Sent, question: Sent) -> bool:
    """Whether the one who got this answer still waited for one to an older question."""
    peer = answer.packet.dst, answer.packet.dport
    before = [each.packet for each in said.there if each.place < question.place]
    return sum((p.src, p.sport) == peer for p in before) > sum((p.dst, p.dport) == peer for p in before)


def wrong_client(name: str) -> Cause:
    """An answer for somebody else."""
    return Cause("wrong-client", f"{name} answered somebody who had not asked that",
                 "the address given to sendto(): the one that recvfrom() returned with this question")  # fmt: skip


def talk(evidence: Evidence, source: str, to: str, port: int) -> Talk:
    """What they said; a datagram in fragments counts once, where its last fragment is."""
    ours, theirs = addresses_of(evidence.plan, source), addresses_of(evidence.plan, to)
    here, there = _datagrams(evidence, source), _datagrams(evidence, to)

    def asks(each: Sent) -> bool:
        return each.packet.src in ours and each.packet.dst in theirs and each.packet.dport == port

    sent = tuple(each for each in here if asks(each))
    arrived = tuple(each for each in there if asks(each))
    ports = {each.packet.sport for each in sent}
    received = tuple(
        each for each in here
        if each.packet.src in theirs and each.packet.sport == port and each.packet.dst in ours
        and each.packet.dport in ports
    )  # fmt: skip
    # End marks are not set everywhere at once: what came after the receiver's was not lost.
    late = tuple(each for each in _datagrams(evidence, to, whole=True) if asks(each))
    return Talk(sent, arrived, received, tuple(there), _lost(sent, late))


def strangers(evidence: Evidence, said: Talk, source: str) -> list[Sent]:
    """What arrived and had not been sent, not even after the sender's end mark."""
    own = addresses_of(evidence.plan, source)
    known = {each.payload for each in _datagrams(evidence, source, whole=True) if each.packet.src in own}
    return [each for each in said.arrived if each.payload not in known]


def unsent(evidence: Evidence, said: Talk, to: str) -> list[Sent]:
    """What came as an answer and had not been sent as one, not even after the end mark of the other node."""
    own = addresses_of(evidence.plan, to)
    known = {each.payload for each in _datagrams(evidence, to, whole=True) if each.packet.src in own}
    return [each for each in said.received if each.payload not in known]


def turns(evidence: Evidence, source: str, to: str, port: int) -> tuple[dict[bytes, int], dict[bytes, int]]:
    """When each question first came to the node that is asked, and each answer first left it: its own captures' order.

    Nothing is known of those whose addresses were translated on the way.
    """
    ours, theirs = addresses_of(evidence.plan, source), addresses_of(evidence.plan, to)
    came: dict[bytes, int] = {}
    left: dict[bytes, int] = {}
    for each in _datagrams(evidence, to, whole=True):
        packet = each.packet
        if packet.src in ours and packet.dst in theirs and packet.dport == port:
            came.setdefault(each.payload, each.place)
        elif packet.src in theirs and packet.dst in ours and packet.sport == port:
            left.setdefault(each.payload, each.place)
    return came, left


def _datagrams(evidence: Evidence, node: str, *, whole: bool = False) -> list[Sent]:
    found: list[tuple[FrameRef, Packet]] = []
    points = [point for point in points_of(evidence, node) if point in evidence.captures]
    forged = in_its_name(evidence, node)  # by another, and flooded to the node
    for point in points:
        capture = evidence.captures[point]
        taken = capture.packets if whole else capture.judged
        packets = reassembled(packet for packet in taken if not forged(packet))
        found += [(FrameRef(point, packet.number), packet) for packet in packets]
    if len(points) > 1:
        found.sort(key=lambda each: each[1].time)
    return [Sent(ref, p, place) for place, (ref, p) in enumerate(found) if p.protocol == UDP and p.refusal is None]


def _lost(sent: tuple[Sent, ...], arrived: tuple[Sent, ...]) -> tuple[Sent, ...]:
    """Which copies never arrived: by their identification where that tells copies apart, else the first ones.

    Equal copies have the same bytes, so which of them it was changes nothing.
    """
    keys = Counter((each.packet.identification, each.packet.sport, each.payload) for each in arrived)
    missing = Counter((e.packet.identification, e.packet.sport, e.payload) for e in sent) - keys
    found = []
    for each in sent:
        key = each.packet.identification, each.packet.sport, each.payload
        if missing[key] > 0:
            missing[key] -= 1
            found.append(each)
    return tuple(found)


def nothing_sent(evidence: Evidence, source: str, to: str, port: int) -> Fault:
    """Why no datagram left for that port."""
    ours, theirs = addresses_of(evidence.plan, source), addresses_of(evidence.plan, to)
    seen = f"{source} sent no datagram to port {port} of {to}"
    for point in points_of(evidence, source):
        for packet in evidence.captures[point].judged:
            begins = packet.protocol == TCP and packet.flags & (SYN | ACK) == SYN
            if begins and packet.src in ours and packet.dst in theirs and packet.dport == port:
                ref = FrameRef(point, packet.number)
                return Fault(f"{source} sent a SYN to port {port}", causes.tcp_for_udp(source, port), (ref,))
    blame = trouble(evidence, [source], submitted=True)
    strays = [each for each in _datagrams(evidence, source) if each.packet.src in ours and each.packet.dport != 53]
    if blame is None and strays:
        stray = strays[0].packet
        where = f"{who(evidence.plan, stray.dst)} port {stray.dport}"
        cause = Cause("wrong-target", f"{source} sent its datagram to {where}, not to {to} port {port}",
                      "the address and port in sendto() or connect()")  # fmt: skip
        return Fault(cause.text, cause, (strays[0].ref,))
    if blame is None and (routed := misrouted(evidence, source, to)):
        return Fault(seen, routed)
    if blame is None and (neighbour := unanswered_arp(evidence, source)):
        return Fault(seen, causes.no_neighbour(source, neighbour[0]), (neighbour[1],))
    blame = blame or trouble(evidence, [to, source]) or overdue(evidence, [source])
    cause = Cause("not-tried", seen, "whether sendto() is reached, and with which address and port")
    timed = blame.timed if blame else unfinished(evidence, [source])
    return Fault(seen, blame.cause if blame else cause, (), timed)


def no_answer(
    evidence: Evidence, said: Talk, source: str, to: str, port: int, wanted: tuple[bytes, ...], seen: str
) -> Fault:
    """Why the next of the `wanted` answers did not come: of the programs first, then of the packets."""
    frames = tuple(each.ref for each in (*said.sent[-1:], *said.received[-1:]))
    late = overdue(evidence, [source, to])
    if blame := trouble(evidence, [to], submitted=True):
        return Fault(seen, blame.cause, frames, blame.timed)
    if fault := misaddressed(evidence.plan, said, to, port, wanted):
        return fault
    got = {each.payload for each in said.received}
    theirs = addresses_of(evidence.plan, to)
    sent = [e for e in said.there if e.packet.src in theirs and e.payload in wanted and e.payload not in got]
    if sent:
        text = f"{seen}; {quoted(sent[0].payload)} was lost on its way"
        return Fault(text, causes.lost(to, source), (*frames, sent[0].ref), late is not None)
    if not said.arrived:
        return Fault(seen, causes.lost(source, to), frames, unfinished(evidence, [source]))
    if not said.received and (lack := datagrams.unanswered(evidence, to, source, port)):
        return Fault(seen, lack[0], (*frames, lack[1]), timed=True)
    if refused := datagrams.not_taken(evidence, to, said.arrived[-1].packet):
        return Fault(seen, refused, frames, timed=True)
    if early := gone(evidence, to):
        return Fault(seen, early.cause, frames, timed=True)
    blame = trouble(evidence, [source, to]) if said.unanswered is None else None
    cause = blame.cause if blame else causes_talk.never_answered(to, said.arrived[-1].payload)
    return Fault(seen, cause, frames, timed=blame is None or blame.timed)

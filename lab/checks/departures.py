"""Whether a message was sent by the node whose address it bears: that node's own captures tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from lab.checks import causes
from lab.checks.base import FrameRef
from lab.checks.connections import points_of
from lab.checks.diagnose import Fault
from lab.checks.gaps import gaps, left_out
from lab.checks.icmp_errors import echo_numbers, key
from lab.checks.names import address_of, mac_bytes, who
from lab.checks.sightings import Sighted, whole
from lab.evidence import Evidence, Gap
from lab.trace.packets import TCP, UDP, Packet, quoted

Name = tuple[object, ...]


def speakers(evidence: Evidence, message: Packet) -> list[str]:
    """Who can have said it: whose address it bears; every node that forwards where nobody's is known."""
    address = address_of(message.src)
    owner = evidence.plan.owners.get(address) if address else None
    return [owner.node] if owner else [node.name for node in evidence.plan.nodes if node.forwards or node.setup]


def gaps_of_speakers(evidence: Evidence, messages: Iterable[Packet]) -> list[Gap]:
    """What is missing from the captures of those who can have said these: one of them may have been sent after all."""
    names = sorted({name for message in messages for name in speakers(evidence, message)})
    return gaps(evidence, points_of(evidence, *names))


def forged(evidence: Evidence, node: str, what: str, messages: list[Sighted]) -> Fault:
    """A node got such an answer in the name of another, which had not sent it."""
    text = f"{node} got {what} in the name of {who(evidence.plan, messages[0][1].src)}, which had not sent it"
    return Fault(text, causes.altered(text), tuple(ref for ref, _ in messages[:3]))


class Departures:
    """How often ICMP messages and UDP datagrams left the nodes whose addresses they bear; each is claimed so often.

    What address translation on the way changes is not compared. Nothing can be told of a node that the exercise does
    not capture whole, nor from captures that were handed in, which may have been begun one after the other: all that
    bears its address is then taken as its own.
    """

    def __init__(self, evidence: Evidence, messages: Iterable[Packet]) -> None:
        """Ready for these messages."""
        self._evidence = evidence
        messages = list(messages)
        self._wanted = {name for message in messages for name in _names(message)}
        self._known: set[str] = set()
        self._unknown: set[str] = set()  # nodes that are not captured whole
        self._left: Counter[Name] = Counter()
        for message in messages:
            for node in speakers(evidence, message):
                self._look_at(node)

    def claim(self, message: Packet) -> bool:
        """Whether a node sent this message, and was not yet believed to have sent it."""
        if self._unknown.intersection(speakers(self._evidence, message)):
            return True
        name = next((each for each in _names(message) if self._left[each]), None)
        self._left.subtract([name] if name else [])
        return name is not None

    def sent(self, message: Packet) -> bool:
        """Whether a node sent this message, or an equal one, at all."""
        unknown = self._unknown.intersection(speakers(self._evidence, message))
        return bool(unknown) or any(name in self._left for name in _names(message))

    def _look_at(self, node: str) -> None:
        if node in self._known:
            return
        self._known.add(node)
        partly = any(left_out(self._evidence, point) for point in points_of(self._evidence, node))
        if partly or self._evidence.exercise.unverified:
            self._unknown.add(node)
            return
        for packet in _leaving(self._evidence, node):
            exact, loose = _names(packet)
            name = loose if _translated(self._evidence, packet) else exact
            if name in self._wanted:
                self._left[name] += 1


def _leaving(evidence: Evidence, node: str) -> Iterator[Packet]:
    """The messages that a node sent, also after the end mark: marks are not set everywhere at once.

    A frame for nobody's MAC comes to every port of a segment, so that it may be a neighbour's.
    """
    known = {mac_bytes(mac): interface.node for mac, interface in evidence.plan.macs.items()}
    planned = evidence.plan.by_name.get(node)
    # Whose a MAC is that the plan does not know: a topology's own commands may have changed one.
    unknown = node if planned is not None and planned.setup else None
    nobody = "" if any(each.setup for each in evidence.plan.nodes) else node
    found: list[Sighted] = []
    for point in points_of(evidence, node):
        for packet in evidence.captures[point].packets if point in evidence.captures else ():
            sender, receiver = known.get(packet.src_mac, unknown), known.get(packet.dst_mac, nobody)
            if _is_message(packet) and sender == node and receiver != node:
                found.append((FrameRef(point, packet.number), packet))
    found.sort(key=lambda each: each[1].time)
    return (packet for _, packet in whole(found) if packet.refusal is None and packet.protocol != TCP)


def _is_message(packet: Packet) -> bool:
    return packet.version > 0 and packet.protocol != TCP


def _names(message: Packet) -> tuple[Name, Name]:
    """By what a message is known again elsewhere: all of it that counts, and what address translation keeps of that."""
    if message.protocol == UDP:
        ports = message.sport, message.dport
        return (message.src, message.dst, *ports, message.payload), (message.src, message.sport, message.payload)
    about = quoted(message)
    kind = message.src, message.protocol, message.icmp_type, message.icmp_code
    if about is None:
        numbers = echo_numbers(message)
        return (*kind, message.dst, numbers, message.payload), (*kind, numbers[2:], message.payload)
    return (*kind, message.dst, key(about)), (*kind, about.protocol, about.identification)


def _translated(evidence: Evidence, message: Packet) -> bool:
    """Whether its destination may be that of a node which puts another's in its place."""
    address = address_of(message.dst)
    owner = evidence.plan.owners.get(address) if address else None
    node = evidence.plan.by_name[owner.node] if owner else None
    return node is None or node.forwards or bool(node.setup)

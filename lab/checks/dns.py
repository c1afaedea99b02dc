"""`dns`: the name was turned into an address before the first packet left, and that packet went to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import ClassVar

from lab.checks import causes, datagrams
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.connections import at_node as connections_at
from lab.checks.connections import points_of
from lab.checks.departures import Departures, forged, gaps_of_speakers
from lab.checks.diagnose import Fault
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.lookups import PORT, Lookup, first_answer, lookups, strays
from lab.checks.names import addresses_of, listed, who
from lab.checks.programs import idle, unfinished
from lab.checks.sightings import Sighted, at_node, whole
from lab.dns.message import NO_ERROR, NO_SUCH_NAME, rcode_name, same_name
from lab.evidence import Evidence
from lab.grammar import Choice, NodeName, Port, Text, param
from lab.trace.packets import ACK, SYN, TCP, UDP, Packet

_PROTOCOLS = {"tcp": TCP, "udp": UDP}
_FIRST = {"tcp": "SYN", "udp": "datagram"}


@dataclass(frozen=True)
class Dns(Check):
    """A node asked a name server for a name, and then went to an address of the answer.

    Judged at the asking node: a query, and a response from where it went to the port that it came from, with the same
    identifier and question, over UDP or TCP and with an address of `to`; every SYN (or datagram) to `port` of that node
    comes after it and goes to an address that was answered. Where there are several answers, also for IPv6, one before
    the SYN is enough. What goes to that port of other nodes matters only where nothing came to this one.
    """

    kind: ClassVar[str] = "dns"
    claims: ClassVar[tuple[str, ...]] = ("C21",)
    rule: ClassVar[str] = "RFC 1034 §5.3, RFC 1035 §4; RFC 5452 §9.1; RFC 7766"
    says: ClassVar[str] = "client went to 10.0.2.80 port 7000 without asking for www"

    source: str = param(NodeName(), "the node that asks", key="from")
    to: str = param(NodeName(), "the node that has the name, and to which it then goes")
    port: int = param(Port(), "the port that it then goes to")
    name: str | None = param(Text(longest=255), "the name that is asked for; the node's by default", default=None)
    protocol: str = param(Choice("tcp", "udp"), "by what it then goes there", default="tcp")

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the frames of the asking node."""
        expected = (f"{self.source} asks for {self._name} by DNS, is answered, and sends its first "
                    f"{_FIRST[self.protocol]} to port {self.port} of that address")  # fmt: skip
        points = points_of(evidence, self.source)
        if verdict := unusable(gaps(evidence, points, [self.source]), self.rule, expected):
            return verdict
        if away := [point for point in points if left_out(evidence, point)]:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise does not capture {listed(away)}")
        sighted = whole(at_node(evidence, self.source))
        found = self._story(evidence, sighted)
        if not isinstance(found, Fault) and (strange := _strange(evidence, sighted, self.source)):
            refs = {ref for ref, _ in strange}
            found = self._story(evidence, [each for each in sighted if each[0] not in refs])
            if isinstance(found, Fault):
                missing = gaps_of_speakers(evidence, (packet for _, packet in strange))
                if verdict := unusable(missing, self.rule, expected):
                    return verdict
                found = forged(evidence, self.source, "an answer", strange)
        if isinstance(found, Fault):
            return Verdict(Outcome.FAILED, self.rule, expected, found.seen, found.frames, found.cause, found.timed)
        asked, first = found
        good = next(each for each in asked if each.addresses())
        went = str(ip_address(first[0][1].dst))
        seen = (f"{self.source} asked {who(evidence.plan, good.server)} for {self._name}; the answer was "
                f"{listed(_addresses(asked))}; then the first {_FIRST[self.protocol]} went to {went}")  # fmt: skip
        return Verdict(Outcome.PASSED, self.rule, expected, seen, (*good.frames, first[0][0]))

    def _story(self, evidence: Evidence, sighted: list[Sighted]) -> tuple[list[Lookup], list[Sighted]] | Fault:
        """The lookups of the name, and what was begun after them; or what is wrong."""
        own = addresses_of(evidence.plan, self.source)
        found = lookups(sighted, connections_at(evidence, self.source), own)
        went_there = addresses_of(evidence.plan, self.to)
        begun = [each for each in sighted if self._begins(each[1], own)]
        first = [each for each in begun if each[1].dst in went_there] or begun
        asked = [each for each in found if any(same_name(name, self._name) for name in each.names)]
        if not asked:
            return self._not_asked(evidence, found, first)
        fault = self._not_answered(evidence, sighted, asked) or self._not_followed(evidence, sighted, asked, first)
        return fault or (asked, first)

    @property
    def _name(self) -> str:
        return self.name or self.to

    def _begins(self, packet: Packet, own: frozenset[bytes]) -> bool:
        """Whether a packet is the beginning of what the name was needed for."""
        if packet.protocol != _PROTOCOLS[self.protocol] or packet.dport != self.port or packet.src not in own:
            return False
        return packet.protocol == UDP or packet.flags & (SYN | ACK) == SYN

    def _not_asked(self, evidence: Evidence, found: Sequence[Lookup], first: Sequence[Sighted]) -> Fault:
        """No query for the name."""
        blame, late = idle(evidence, [self.source]), unfinished(evidence, [self.source])
        if first:
            ref, packet = first[0]
            where = f"{ip_address(packet.dst)} port {self.port}"
            seen = f"{self.source} went to {where} without asking for {self._name}"
            cause = Cause("name-not-asked", seen, "the host given to connect(): a name, or an address that stands "
                          "in the program")  # fmt: skip
            return Fault(seen, cause, (ref,))
        if found:
            each = found[0]
            if each.problem:
                seen = f"{self.source} sent to port {PORT} what is no DNS query: {each.problem}"
                return Fault(seen, Cause("malformed-query", seen, "the bytes of the query"), each.frames)
            seen = f"{self.source} asked for {listed(each.names)}, not for {self._name}"
            cause = Cause("wrong-name", seen, "the name that is looked up")
            return Fault(seen, blame.cause if blame else cause, each.frames, blame.timed if blame else late)
        seen = f"{self.source} asked for no name, and sent nothing to port {self.port}"
        cause = causes.not_tried(self.source, self.to, self.port)
        return Fault(seen, blame.cause if blame else cause, (), blame.timed if blame else late)

    def _not_answered(self, evidence: Evidence, sighted: Sequence[Sighted], asked: Sequence[Lookup]) -> Fault | None:
        """No response, or none with an address of the node."""
        answered = first_answer(asked)
        if answered is None:
            server = who(evidence.plan, asked[0].server)
            seen = f"{self.source} asked {server} for {self._name}, and no answer came"
            for ref, packet in strays(sighted, asked[0]):
                there = f"{who(evidence.plan, packet.src)} port {packet.sport}"
                seen = (f"{seen}: one from {there} went to port {packet.dport}, where port {asked[0].asker[1]} had "
                        f"asked port {PORT} of {server}")  # fmt: skip
                cause = Cause("wrong-client", seen, "the address given to sendto(): the one that recvfrom() returned")
                return Fault(seen, cause, (*asked[0].frames, ref))
            ours = server == evidence.plan.resolver  # a name server of lab's own is no program of the node
            lack = None if ours else datagrams.unanswered(evidence, server, self.source, PORT)
            cause = lack[0] if lack else Cause("no-answer", seen, f"the way to {server}, and whether it answers DNS")
            return Fault(seen, cause, asked[0].frames, timed=True)
        given = _addresses(asked)
        right = {str(ip_address(raw)) for raw in addresses_of(evidence.plan, self.to)}
        if right & set(given):
            return None
        rcode = answered.answer.rcode if answered.answer else NO_ERROR
        told = (f"answered {listed(given)}, which is not {self.to}" if given
                else f"said {rcode_name(rcode)}" if rcode != NO_ERROR else "gave no address")  # fmt: skip
        seen = f"{who(evidence.plan, answered.server)}, asked for {self._name}, {told}"
        kind = "no-such-name" if rcode == NO_SUCH_NAME else "wrong-answer"
        return Fault(seen, Cause(kind, seen, "the name that is asked for, and what the name server knows of it"),
                     answered.frames)  # fmt: skip

    def _not_followed(
        self, evidence: Evidence, sighted: Sequence[Sighted], asked: Sequence[Lookup], first: Sequence[Sighted]
    ) -> Fault | None:
        """Nothing sent after the answer, something before it, or to another address."""
        what = _FIRST[self.protocol]
        good = next(each for each in asked if each.addresses())
        if not first:
            blame, late = idle(evidence, [self.source]), unfinished(evidence, [self.source])
            seen = f"{self.source} was answered, and then sent no {what} to port {self.port}"
            cause = blame.cause if blame else causes.not_tried(self.source, self.to, self.port)
            return Fault(seen, cause, good.frames, blame.timed if blame else late)
        order = {ref: index for index, (ref, _) in enumerate(sighted)}
        told: dict[str, int] = {}  # addresses, and when each was first known
        for each in asked:
            at = order.get(each.answered, -1) if each.answered else len(order)
            for address in each.addresses():
                told[address] = min(at, told.get(address, at))
        for ref, packet in first:
            went = str(ip_address(packet.dst))
            if told.get(went, order[ref]) < order[ref]:
                continue
            before = [each for each in asked if each.answered and order.get(each.answered, -1) < order[ref]]
            if not _addresses(before):
                seen = f"{self.source} sent a {what} to {went} before it was told the address of {self._name}"
                look = "the order of the lookup and connect(), and where the address for connect() comes from"
                return Fault(seen, Cause("went-before-answer", seen, look), (ref, *good.frames))
            where = f"{who(evidence.plan, packet.dst)} port {self.port}"
            seen = f"the answer was {listed(_addresses(before))}, and {self.source} went to {went}"
            cause = causes.connected_elsewhere(self.source, where, self.to, self.port)
            return Fault(seen, cause, (*_frames(before), ref))
        return None


def _strange(evidence: Evidence, sighted: list[Sighted], node: str) -> list[Sighted]:
    """The answers over UDP that came to a node and had not left the node whose address they bear."""
    own = addresses_of(evidence.plan, node)
    answers = [(ref, p) for ref, p in sighted if p.protocol == UDP and p.sport == PORT and p.dst in own]
    departures = Departures(evidence, (packet for _, packet in answers))
    return [each for each in answers if not departures.sent(each[1])]


def _addresses(found: Sequence[Lookup]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address for each in found for address in each.addresses()))


def _frames(found: Sequence[Lookup]) -> tuple[FrameRef, ...]:
    return next((each.frames for each in found if each.addresses()), ())

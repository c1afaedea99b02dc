"""`ndp`: the IPv6 next hop's MAC was asked for at its group, answered, and used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes
from lab.checks.arp import Finding, Hop, best, hops_of, misaddressed, on_link, unasked
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import address_of, mac_bytes, who, whose_mac
from lab.checks.programs import idle, unfinished
from lab.evidence import Evidence
from lab.grammar import Address, Either, InterfaceName, NodeName, param
from lab.plan import Plan
from lab.topology import Address as AnyAddress
from lab.trace.ndp import ADVERTISEMENT, SOLICITATION, Neighbour, group_mac, neighbour, solicited_node
from lab.trace.packets import ICMPV6, Packet, mac_text

_DISCOVERY = range(133, 138)  # router and neighbour discovery, redirects
_LISTENERS = (130, 131, 132, 143)


@dataclass(frozen=True)
class Ndp(Check):
    """A node asked for its next hop's MAC by neighbour discovery, got it in an advertisement, and only then sent to it.

    The solicitation goes to the group of the address (ff02::1:ff…, MAC 33:33:ff:…), not to everyone. Judged at the
    node's own capture point, as `arp` is for IPv4: nobody answers for somebody else, no address of another network is
    asked for, and no message may have passed a router (hop limit 255). Repeats to the one node, and the search for a
    duplicate address (from ::), are no faults. A next hop may be asked for by any of its global addresses there, and
    one that asked first, and so told its MAC, need not be asked.
    """

    kind: ClassVar[str] = "ndp"
    claims: ClassVar[tuple[str, ...]] = ("C4", "C5")
    rule: ClassVar[str] = "RFC 4861 §4.3, §4.4, §7.1, §7.2; RFC 4291 §2.7.1; RFC 2464 §7"
    says: ClassVar[str] = "client asked for r1 and no advertisement answered"

    node: str = param(NodeName(), "the node that asks")
    next_hop: str | AnyAddress = param(
        Either(NodeName(), Address()), "whom it asks for: a neighbour, or an address"
    )
    interface: str | None = param(InterfaceName(), "the node's interface, where several could be meant", default=None)

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the frames of the node's interface towards the next hop."""
        expected = (f"{self.node} asks for the MAC of {self.next_hop} by neighbour discovery, is answered, and then "
                    "sends to it")  # fmt: skip
        hops = hops_of(evidence.plan, self.node, self.next_hop, self.interface, 6)
        if not hops:
            text = f"{self.next_hop} has no IPv6 address on a network of {self.node}"
            cause = Cause("no-common-network", text, f"the networks of {self.node} and {self.next_hop}")
            return Verdict(Outcome.FAILED, self.rule, expected, text, (), cause)
        point = hops[0].own.point
        if verdict := unusable(gaps(evidence, [point], [self.node]), self.rule, expected):
            return verdict
        if left_out(evidence, point):
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise does not capture {point}")
        packets = evidence.captures[point].judged
        talk = [(packet, told) for packet in packets if (told := neighbour(packet)) is not None]
        own = mac_bytes(hops[0].own.mac)
        hops.sort(key=lambda hop: not any(_asks(packet, told, own, hop.address) for packet, told in talk))
        finding = (
            _strange(evidence.plan, hops[0], talk)
            or misaddressed(evidence.plan, hops[0], packets, version=6)
            or best([self._exchange(evidence, hop, packets, talk) for hop in hops])
        )
        frames = tuple(FrameRef(point, packet.number) for packet in finding.shown)
        return Verdict(finding.outcome, self.rule, expected, finding.seen, frames, finding.cause, finding.timed)

    def _exchange(
        self, evidence: Evidence, hop: Hop, packets: Sequence[Packet], talk: Sequence[tuple[Packet, Neighbour]]
    ) -> Finding:
        """Solicitation, advertisement and first packet, in this order."""
        own, name = mac_bytes(hop.own.mac), who(evidence.plan, hop.address)
        sent = next((p for p in packets if p.src_mac == own and p.dst_mac in hop.macs and _is_content(p)), None)
        place = {packet.number: index for index, packet in enumerate(packets)}
        asked = next((packet for packet, told in talk if _asks(packet, told, own, hop.address)), None)
        if asked is None:
            return unasked(evidence, self.node, hop, sent, sent and _learned(hop, talk, sent), " by IPv6")
        if asked.dst != solicited_node(hop.address) or asked.dst_mac != group_mac(asked.dst):
            text = (f"{self.node} asked for {name} at {address_of(asked.dst)} ({mac_text(asked.dst_mac)}), not at the "
                    f"group {address_of(solicited_node(hop.address))}")  # fmt: skip
            return Finding(text, (asked,), causes.wrong_mac(text))
        answer = next((packet for packet, told in talk if _answers(packet, told, own, hop.address)
                       and place[packet.number] > place[asked.number]), None)  # fmt: skip
        if answer is None:
            cause = causes.no_neighbour(self.node, str(address_of(hop.address)))
            return Finding(f"{self.node} asked for {name} and no advertisement answered", (asked,), cause, timed=True)
        if sent is None:
            blame = idle(evidence, [self.node])
            cause = blame.cause if blame else causes.nothing_to_judge(self.node, name)
            seen = f"{self.node} asked and was answered, but sent no packet"
            timed = blame.timed if blame else unfinished(evidence, [self.node])
            return Finding(seen, (asked, answer), cause, timed=timed)
        first = next(packet for packet, told in talk if place[packet.number] > place[asked.number]
                     and (packet is answer or _tells(told, hop.address)))  # fmt: skip
        if place[sent.number] < place[first.number] and not _learned(hop, talk, sent):
            text = f"{self.node} sent a packet to {name} before it was told the MAC"
            return Finding(text, (sent, asked, answer), causes.wrong_mac(text))
        seen = (f"{self.node} asked the group {address_of(asked.dst)} for {name}; {name} answered "
                f"{mac_text(sent.dst_mac)}; then the first packet left")  # fmt: skip
        return Finding(seen, (asked, answer, sent), outcome=Outcome.PASSED)


def _is_content(packet: Packet) -> bool:
    """Whether a packet is IPv6 and no part of discovery itself."""
    control = packet.protocol == ICMPV6 and (packet.icmp_type in _DISCOVERY or packet.icmp_type in _LISTENERS)
    return packet.version == 6 and not control


def _asks(packet: Packet, told: Neighbour, own: bytes, address: bytes) -> bool:
    """Whether a message is our solicitation to a group; from :: it looks for a duplicate, to a node it is a repeat."""
    ours = told.kind == SOLICITATION and packet.src_mac == own and any(packet.src) and not told.refusal
    return ours and told.target == address and packet.dst[:1] == b"\xff"


def _answers(packet: Packet, told: Neighbour, own: bytes, address: bytes) -> bool:
    """Whether a message is an advertisement that answers us."""
    answers = told.kind == ADVERTISEMENT and told.solicited and not told.refusal
    return answers and packet.dst_mac == own and told.target == address


def _tells(told: Neighbour, address: bytes) -> bool:
    """Whether a message tells a MAC to whoever waits for it, also if it answers nobody (RFC 4861 §7.2.5)."""
    return told.kind == ADVERTISEMENT and not told.refusal and told.target == address and told.mac != b""


def _learned(hop: Hop, talk: Sequence[tuple[Packet, Neighbour]], sent: Packet) -> Packet | None:
    """The next hop's own solicitation for our address, before our first packet (RFC 4861 §7.2.3: we note its MAC)."""
    ours = {address.ip.packed for address in hop.own.addresses}
    for packet, told in talk:
        if packet.number >= sent.number:
            return None
        if told.kind == SOLICITATION and not told.refusal and told.target in ours and packet.src == hop.address:
            return packet
    return None


def _strange(plan: Plan, hop: Hop, talk: Sequence[tuple[Packet, Neighbour]]) -> Finding | None:
    """A message that claims somebody else's address, contradicts itself, passed a router, or asks off the link."""
    own = mac_bytes(hop.own.mac)
    for packet, told in talk:
        target = address_of(told.target)
        if told.refusal:
            text = f"a {_NAMES[told.kind]} from {whose_mac(plan, packet.src_mac)} is to be discarded: {told.refusal}"
            return Finding(text, (packet,), causes.wrong_mac(text))
        ours = told.kind == SOLICITATION and packet.src_mac == own and any(packet.src)
        if target is None or target.is_link_local:
            continue
        if ours and not on_link(hop.own, told.target):
            text = f"{hop.own.node} asked for {target}, which is not on its network"
            return Finding(text, (packet,), causes.off_link(hop.own.node, str(target)))
        told_of = target if told.kind == ADVERTISEMENT else address_of(packet.src)  # whoever asks tells its own MAC
        owner = plan.owners.get(told_of) if told_of else None
        claimed = told.mac or packet.src_mac
        if owner is not None and claimed != mac_bytes(owner.mac):
            text = f"{whose_mac(plan, claimed)} claimed to have {owner.node}'s address {told_of}"
            return Finding(text, (packet,), causes.wrong_mac(text))
    return None


_NAMES = {SOLICITATION: "neighbour solicitation", ADVERTISEMENT: "neighbour advertisement"}

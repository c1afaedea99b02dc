"""`arp`: the next hop's MAC was asked for by broadcast, answered, and used; frames go where the plan says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import address_of, interfaces_of, mac_bytes, who, whose_mac
from lab.checks.programs import idle, unfinished
from lab.checks.states import neighbours
from lab.evidence import Evidence
from lab.grammar import Address, Either, InterfaceName, NodeName, param
from lab.plan import Plan, PlannedInterface, next_hop
from lab.topology import Address as AnyAddress
from lab.trace.packets import Packet, mac_text

BROADCAST = b"\xff" * 6
REQUEST, REPLY = 1, 2


@dataclass(frozen=True)
class Hop:
    """Who asks, the address that is asked for, and the MACs of its node on that segment: none where it is nobody's."""

    own: PlannedInterface
    address: bytes
    macs: frozenset[bytes]


@dataclass(frozen=True)
class Finding:
    """What was found, in a sentence, and the packets that show it."""

    seen: str
    shown: tuple[Packet, ...] = ()
    cause: Cause | None = None
    outcome: Outcome = Outcome.FAILED
    timed: bool = False


@dataclass(frozen=True)
class Arp(Check):
    """A node asked for its next hop's MAC by broadcast, got it in a unicast reply, and only then sent to it.

    Judged at the node's own capture point: frames for another network go to the gateway's MAC, those for the same
    one to the peer's own; no address of another network is ever asked for; nobody answers for somebody else. A next
    hop may be asked for by any of its addresses on that network, and one that asked first, and so made itself known,
    need not be asked. The neighbour table must begin without it. Unicast repeats, probes (sender 0.0.0.0) and
    announcements are no faults.
    """

    kind: ClassVar[str] = "arp"
    claims: ClassVar[tuple[str, ...]] = ("C4", "C5")
    rule: ClassVar[str] = "RFC 826; RFC 1122 §2.3.2, §3.3.1"
    says: ClassVar[str] = "client asked for r1 and no unicast reply came"

    node: str = param(NodeName(), "the node that asks")
    next_hop: str | AnyAddress = param(
        Either(NodeName(), Address()), "whom it asks for: a neighbour, or an address"
    )
    interface: str | None = param(InterfaceName(), "the node's interface, where several could be meant", default=None)

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the frames of the node's interface towards the next hop."""
        expected = f"{self.node} asks for the MAC of {self.next_hop} by broadcast, is answered, and then sends to it"
        hops = hops_of(evidence.plan, self.node, self.next_hop, self.interface, 4)
        if not hops:
            cause = causes.no_common_network(self.node, str(self.next_hop))
            return Verdict(Outcome.FAILED, self.rule, expected, cause.text, (), cause)
        point = hops[0].own.point
        if verdict := unusable(gaps(evidence, [point], [self.node]), self.rule, expected):
            return verdict
        if left_out(evidence, point):
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise does not capture {point}")
        packets = evidence.captures[point].judged
        own = mac_bytes(hops[0].own.mac)
        hops.sort(key=lambda hop: not any(_asks(packet, own, hop.address) for packet in packets))
        found = strange_arp(evidence.plan, hops[0], packets) or misaddressed(evidence.plan, hops[0], packets)
        finding = found or best([self._exchange(evidence, hop, packets) for hop in hops])
        frames = tuple(FrameRef(point, packet.number) for packet in finding.shown)
        return Verdict(finding.outcome, self.rule, expected, finding.seen, frames, finding.cause, finding.timed)

    def _exchange(self, evidence: Evidence, hop: Hop, packets: tuple[Packet, ...]) -> Finding:
        """Request, reply and first packet, in this order."""
        own, name = mac_bytes(hop.own.mac), who(evidence.plan, hop.address)
        sent = next((p for p in packets if p.version == 4 and p.src_mac == own and p.dst_mac in hop.macs), None)
        request = next((p for p in packets if _asks(p, own, hop.address)), None)
        if request is None:
            return unasked(evidence, self.node, hop, sent, sent and _learned(hop, packets, sent))
        after = packets[packets.index(request) :]
        replies = [p for p in after if p.arp_operation == REPLY and p.arp_sender == hop.address]
        replies = [p for p in replies if p.dst_mac == own or p.arp_target != p.arp_sender]  # RFC 5227 §3: announcements
        reply = next((p for p in replies if p.dst_mac == own), None) or next(iter(replies), None)
        if reply is None or reply.dst_mac != own:
            cause = causes.no_neighbour(self.node, str(address_of(hop.address)))
            shown = (request,) if reply is None else (request, reply)
            return Finding(f"{self.node} asked for {name} and no unicast reply came", shown, cause, timed=reply is None)
        if sent is None:
            blame = idle(evidence, [self.node])
            cause = blame.cause if blame else causes.nothing_to_judge(self.node, name)
            seen = f"{self.node} asked and was answered, but sent no packet"
            timed = blame.timed if blame else unfinished(evidence, [self.node])
            return Finding(seen, (request, reply), cause, timed=timed)
        told = next(p for p in after if p.arp_operation and p.arp_sender == hop.address)  # an announcement too: RFC 826
        if packets.index(sent) < packets.index(told) and not _learned(hop, packets, sent):
            text = f"{self.node} sent a packet to {name} before it was told the MAC"
            return Finding(text, (sent, request, reply), causes.wrong_mac(text))
        told_mac = mac_text(reply.arp_sender_mac)
        seen = f"{self.node} asked everyone for {name}; {name} answered {told_mac}; then the first packet left"
        return Finding(seen, (request, reply, sent), outcome=Outcome.PASSED)


def hops_of(plan: Plan, node: str, asked: str | AnyAddress, interface: str | None, version: int) -> list[Hop]:
    """The next hop on the first network that both share, by each address of that version that it has there."""
    for own in interfaces_of(plan, node):
        if interface not in (None, own.name):
            continue
        if isinstance(asked, str):
            for peer in interfaces_of(plan, asked):
                found = [a for a in peer.addresses if a.version == version and peer.network == own.network]
                if found and peer != own:
                    return [Hop(own, address.ip.packed, macs_beside(plan, peer)) for address in found]
        elif asked.version == version and on_link(own, asked.packed):
            return [Hop(own, asked.packed, macs_beside(plan, plan.owners.get(asked)))]
    return []


def macs_beside(plan: Plan, interface: PlannedInterface | None) -> frozenset[bytes]:
    """The MACs that an interface's node has on its network: any of them answers for it (RFC 1122 §3.3.4.2)."""
    own = interfaces_of(plan, interface.node) if interface else ()
    return frozenset(mac_bytes(each.mac) for each in own if interface and each.network == interface.network)


def best(findings: Sequence[Finding]) -> Finding:
    """What counts of a next hop with several addresses, any of which may be asked for: what is least against it."""
    order = Outcome.PASSED, Outcome.NOT_MEASURED, Outcome.FAILED
    return min(findings, key=lambda each: order.index(each.outcome))


def unasked(
    evidence: Evidence, node: str, hop: Hop, sent: Packet | None, learned: Packet | None, by: str = ""
) -> Finding:
    """Nobody was asked, by ARP or NDP: there was nothing to send, the MAC was learned, or it was known before."""
    name = who(evidence.plan, hop.address)
    if sent is None:
        blame = idle(evidence, [node])
        cause = blame.cause if blame else causes.nothing_to_judge(node, name)
        seen = f"{node} neither asked for {name} nor sent it a packet{by}, so there is nothing to judge"
        return Finding(seen, (), cause, timed=blame.timed if blame else unfinished(evidence, [node]))
    if learned is not None:
        seen = f"{name} asked for {node} first and so made its MAC known; then {node} sent to it"
        return Finding(seen, (learned, sent), outcome=Outcome.PASSED)
    before = neighbours(evidence, "before", node)
    if before is None:
        seen = f"{node} sent to {name} without asking; what it knew before the steps was not recorded"
        return Finding(seen, (sent,), outcome=Outcome.NOT_MEASURED)
    known = next((each for each in before if each.address.packed == hop.address and each.mac), None)
    if known is not None and known.state != "permanent":
        seen = f"{node} did not ask: it knew {name} already before the steps (neighbour {known.state})"
        return Finding(seen, (sent,), outcome=Outcome.NOT_MEASURED)
    text = f"{node} sent to {name} without asking for its MAC"
    if known is not None:
        text += ": a fixed entry stood in its neighbour table"
    return Finding(text, (sent,), causes.wrong_mac(text))


def _asks(packet: Packet, own: bytes, address: bytes) -> bool:
    """Whether a packet is a broadcast request of ours for an address (a probe, from 0.0.0.0, is none)."""
    ours = packet.arp_operation == REQUEST and packet.arp_sender_mac == own and any(packet.arp_sender)
    return ours and packet.dst_mac == BROADCAST and packet.arp_target == address


def _learned(hop: Hop, packets: tuple[Packet, ...], sent: Packet) -> Packet | None:
    """The next hop's own request for our address, before our first packet (RFC 826: the receiver notes the sender)."""
    ours = {address.ip.packed for address in hop.own.addresses}
    for packet in packets[: packets.index(sent)]:
        if packet.arp_operation == REQUEST and packet.arp_target in ours and packet.arp_sender == hop.address:
            return packet
    return None


def on_link(own: PlannedInterface, address: bytes) -> bool:
    """Whether an address is of one of an interface's own prefixes."""
    found = address_of(address)
    return found is not None and any(found in prefix.network for prefix in own.addresses)


def strange_arp(plan: Plan, hop: Hop, packets: tuple[Packet, ...]) -> Finding | None:
    """An ARP packet that claims somebody else's address, contradicts itself, or asks for another network's address."""
    own = mac_bytes(hop.own.mac)
    for packet in packets:
        if not packet.arp_operation:
            continue
        asked, claimed = address_of(packet.arp_target), address_of(packet.arp_sender)
        ours = packet.arp_operation == REQUEST and packet.arp_sender_mac == own
        if ours and not on_link(hop.own, packet.arp_target):
            text = f"{hop.own.node} asked for {asked}, which is not on its network"
            return Finding(text, (packet,), causes.off_link(hop.own.node, str(asked)))
        claimant = whose_mac(plan, packet.arp_sender_mac)
        if packet.src_mac != packet.arp_sender_mac:
            text = f"an ARP packet from {whose_mac(plan, packet.src_mac)} says that it comes from {claimant}"
            return Finding(text, (packet,), causes.wrong_mac(text))
        owner = plan.owners.get(claimed) if claimed else None
        # A node may tell any of its own addresses from any of its interfaces: RFC 1122 §3.3.4.2, Linux's arp_announce.
        known = {mac_bytes(each.mac) for each in interfaces_of(plan, owner.node)} if owner else set()
        if owner is not None and any(packet.arp_sender) and packet.arp_sender_mac not in known:
            text = f"{claimant} claimed to have {owner.node}'s address {claimed}"
            return Finding(text, (packet,), causes.wrong_mac(text))
    return None


def misaddressed(plan: Plan, hop: Hop, packets: tuple[Packet, ...], version: int = 4) -> Finding | None:
    """A frame of ours with an IP packet of that version that goes to another MAC than the plan's next hop has.

    Addresses of IPv6 that hold on one link alone (fe80::/10) stand in no plan and are left out.
    """
    own = mac_bytes(hop.own.mac)
    ours = {address.ip.packed for address in hop.own.addresses}
    for packet in packets:
        destination = address_of(packet.dst)
        if packet.version != version or destination is None or (packet.src_mac != own and packet.src not in ours):
            continue
        if version == 6 and destination.is_link_local:
            continue
        if packet.dst_mac == own or packet.dst_mac[0] & 1:  # addressed to us, or a multicast
            continue
        if packet.src_mac != own:
            text = f"a packet of {hop.own.node} left with the MAC of {whose_mac(plan, packet.src_mac)}"
            return Finding(text, (packet,), causes.wrong_mac(text))
        direct = on_link(hop.own, packet.dst)
        wanted = plan.owners.get(destination) if direct else next_hop(plan, hop.own.node, destination)
        if wanted is not None and wanted.network == hop.own.network and packet.dst_mac not in macs_beside(plan, wanted):
            kind = "its own network" if direct else "another network"
            went = whose_mac(plan, packet.dst_mac)
            text = (f"a packet of {hop.own.node} for {who(plan, packet.dst)}, on {kind}, "
                    f"went to {went}, not to {wanted.node}")  # fmt: skip
            return Finding(text, (packet,), causes.wrong_mac(text))
    return None

"""What the checks on TCP connections have in common: which connection is meant, and whether both ends agree on it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lab.checks import causes
from lab.checks.base import Check, FrameRef, Outcome, Verdict
from lab.checks.connections import Connection, Found, Seen, find, points_of
from lab.checks.diagnose import Fault, no_connection
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import addresses_of, count, interfaces_of, listed, mac_bytes, who, whose_mac
from lab.evidence import Evidence
from lab.grammar import Choice, NodeName, Port, param
from lab.trace.packets import Packet, mac_text

Praise = tuple[str, tuple[FrameRef, ...]]


@dataclass(frozen=True)
class TcpCheck(Check):
    """A check on the TCP connections from one node to a port of another, by their own addresses."""

    source: str = param(NodeName(), "the node that connects", key="from")
    to: str = param(NodeName(), "the node that is connected to")
    port: int = param(Port(), "the port that is connected to")
    connection: str = param(
        Choice("only", "first", "every"),
        "which is meant where several match; with `only`, several are a failure, with `every`, a failed try is one",
        default="only",
    )

    @abstractmethod
    def expectation(self) -> str:
        """What is demanded, in a sentence."""

    @abstractmethod
    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """What is wrong with an established connection, None if nothing is."""

    @abstractmethod
    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """What was seen where nothing is wrong, and the frames that show it."""

    def fault_of_all(self, evidence: Evidence, found: Found, connections: Sequence[Connection]) -> Fault | None:
        """What is wrong with the connections as a whole; `connections` are those that are meant."""
        return None

    def needed(self, evidence: Evidence) -> str | None:
        """What the exercise left out and this check cannot do without, in a sentence."""
        return None

    def chosen(self, found: Found) -> Sequence[Connection]:
        """The connections that are meant."""
        return found.chosen(self.connection)

    def missing(self, evidence: Evidence, found: Found, chosen: Sequence[Connection]) -> Fault | None:
        """Why there is not what it judges: a connection, and with `every` no try that came to nothing."""
        tries = tuple(connection for connection in chosen if not connection.established)
        if chosen and not tries:
            return None
        tried = replace(found, connections=tries)
        return no_connection(evidence, tried, self.source, self.to, self.port)

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the connections that are meant, at both ends where both were captured."""
        expected = self.expectation()
        found_gaps = gaps(evidence, points_of(evidence, self.source, self.to), [self.source, self.to])
        if verdict := unusable(found_gaps, self.rule, expected):
            return verdict
        found = find(evidence, self.source, self.to, self.port)
        if not found.captured:
            seen = f"the exercise captures neither at {self.source} nor at {self.to}"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        if missing := self.needed(evidence):
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, missing)
        chosen = self.chosen(found)
        fault = self.missing(evidence, found, chosen)
        if fault is None and self.connection == "only" and len(chosen) > 1:
            fault = self._several(chosen)
        if fault is None:
            fault = self._first_fault(evidence, found, chosen)
        if fault is not None:
            return Verdict(Outcome.FAILED, self.rule, expected, fault.seen, fault.frames, fault.cause, fault.timed)
        seen, frames = self.praise(evidence, chosen)
        if len(found.captured) == 1:
            seen += f" (judged at {found.captured[0]} alone: the other end was not captured)"
        return Verdict(Outcome.PASSED, self.rule, expected, seen, frames)

    def disagreement(self, evidence: Evidence, found: Found, connection: Connection) -> Fault | None:
        """What shows that the ends did not see one and the same connection between these two nodes."""
        return disagreement(evidence, found, connection)

    def _first_fault(self, evidence: Evidence, found: Found, connections: Sequence[Connection]) -> Fault | None:
        for connection in connections:
            fault = self.disagreement(evidence, found, connection) or self.fault(evidence, connection)
            if fault:
                return fault
        return self.fault_of_all(evidence, found, connections)

    def _several(self, connections: Sequence[Connection]) -> Fault:
        first = [connection.views[0] for connection in connections]
        ports = listed([str(view.client.port) for view in first[:6]])
        seen = f"{count(len(connections), 'connection')} (from source ports {ports}), where one is asked for"
        frames = tuple(ref for view in first[:6] for ref in view.frames(view.conversation.syn))
        return Fault(seen, causes.two_connections(len(connections), self.source, self.to, self.port), frames)


def disagreement(evidence: Evidence, found: Found, connection: Connection) -> Fault | None:
    """What shows that the ends did not see one and the same connection between these two nodes."""
    client, server = connection.at_client, connection.at_server
    if len(found.captured) == 2:
        if client is None or server is None:
            other = found.captured[1] if server is None else found.captured[0]
            elsewhere = any(left_out(evidence, point) for point in points_of(evidence, other))
            if not elsewhere:  # it may have come by an interface that is not captured
                return _one_sided(evidence, found, connection)
            client = server = connection.views[0]
        for name, ours, theirs in (("SYN", client.client, server.client), ("SYN-ACK", client.server, server.server)):
            if ours.isn is not None and theirs.isn is not None and ours.isn != theirs.isn:
                text = f"the {name} has sequence number {ours.isn} at {client.node} and {theirs.isn} at {server.node}"
                return Fault(text, causes.altered(text), client.frames(ours.syn) + server.frames(theirs.syn))
    for view in connection.views:
        talk = view.conversation
        for packet in (talk.syn, talk.syn_ack, talk.handshake_ack, talk.refused):
            if packet is not None and (fault := _strange_frame(evidence, view, packet)):
                return fault
    return None


def _one_sided(evidence: Evidence, found: Found, connection: Connection) -> Fault:
    view = connection.views[0]
    other = found.captured[1] if view is connection.at_client else found.captured[0]
    same = [each for each in found.foreign if each.node == other and each.client.isn == view.client.isn]
    if same:
        origin = who(evidence.plan, same[0].client.address)
        cause = causes.rewritten(view.node, "source address", f"{origin}'s")
        return Fault(cause.text, cause, view.frames(view.client.syn) + same[0].frames(same[0].client.syn))
    if view is connection.at_client:
        seen = f"{view.node} saw a connection that never reached {other}: someone else answered"
    else:
        seen = f"{view.node} saw a connection that {other} never opened: someone else used its address"
    return Fault(seen, causes.altered(seen), view.frames(*view.conversation.packets[:1]))


def _strange_frame(evidence: Evidence, view: Seen, packet: Packet) -> Fault | None:
    """A handshake frame with a MAC that none of those has who may have sent it, or with a wrong checksum."""
    ref = view.frame(packet)
    here = evidence.plan.points.get(ref.point)
    if here is None:
        return None
    outbound = packet.src in addresses_of(evidence.plan, view.node)
    own = mac_bytes(here.mac)
    if (packet.src_mac if outbound else packet.dst_mac) != own:
        role = "comes from" if outbound else "is addressed to"
        wrong = whose_mac(evidence.plan, packet.src_mac if outbound else packet.dst_mac)
        text = f"frame {ref} {role} {wrong}, not {view.node}"
        return Fault(text, causes.wrong_mac(text), (ref,))
    other = packet.dst_mac if outbound else packet.src_mac
    peer = who(evidence.plan, packet.dst if outbound else packet.src)
    known = evidence.plan.macs.get(mac_text(other))
    may = (
        known is not None
        and known.network == here.network
        and (known in interfaces_of(evidence.plan, peer) or evidence.plan.by_name[known.node].forwards)
    )
    if not may:
        role = "is addressed to" if outbound else "comes from"
        text = f"frame {ref} {role} {whose_mac(evidence.plan, other)}, which is neither {peer} nor a router"
        return Fault(text, causes.wrong_mac(text), (ref,))
    if packet.ip_checksum_ok is False or packet.checksum_ok is False:
        text = f"frame {ref} has a wrong checksum"
        return Fault(text, causes.altered(text), (ref,))
    return None

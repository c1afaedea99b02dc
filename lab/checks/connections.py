"""The TCP connections that a check is about, as each captured end saw them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lab.checks.base import FrameRef
from lab.checks.gaps import left_out
from lab.checks.names import addresses_of, interfaces_of
from lab.evidence import Evidence, Mark
from lab.trace.flows import Conversation, Side, tcp_conversations
from lab.trace.packets import TCP, Packet
from lab.trace.path import identity

FourTuple = tuple[bytes, int, bytes, int]


@dataclass(frozen=True, eq=False)
class Seen:
    """One connection as one end's captures show it; `client` and `server` by the addresses that were asked for."""

    node: str
    conversation: Conversation
    client: Side
    server: Side
    points: Mapping[int, str] = field(repr=False)  # id of a packet → its capture point

    def frame(self, packet: Packet) -> FrameRef:
        """Where a packet of the conversation lies."""
        point = self.points.get(id(packet)) or next(iter(self.points.values()))  # reassembled ones are not listed
        return FrameRef(point, packet.number)

    def frames(self, *packets: Packet | None) -> tuple[FrameRef, ...]:
        """Where packets lie; what is None is left out."""
        return tuple(self.frame(packet) for packet in packets if packet is not None)

    @property
    def established(self) -> bool:
        """Whether all three packets of the handshake were seen."""
        return self.conversation.opened == "complete"

    def first_to_close(self) -> Side | None:
        """Who sent a FIN that the other's FIN acknowledges, or the only one; None for no FIN, or two at once."""
        for side, other in ((self.client, self.server), (self.server, self.client)):
            if side.fin is None or side.fin_offset is None or side.first is None:
                continue
            after = (side.first + side.fin_offset + 1) % 2**32
            if other.fin is None or (other.fin.ack - after) % 2**32 < 2**31:
                return side
        return None


@dataclass(frozen=True, eq=False)
class Connection:
    """One connection as seen at its client and at its server; None where it was not seen."""

    at_client: Seen | None
    at_server: Seen | None

    @property
    def views(self) -> tuple[Seen, ...]:
        """The client's view first."""
        return tuple(view for view in (self.at_client, self.at_server) if view is not None)

    @property
    def established(self) -> bool:
        """Whether any end saw the whole handshake."""
        return any(view.established for view in self.views)


@dataclass(frozen=True, eq=False)
class Found:
    """All that was found for one client, server and port.

    `foreign` are connections to that port from another address, `elsewhere` the client's TCP connections to others;
    `captured` are the ends that have a capture, `missing` the points that the exercise chose not to capture.
    """

    connections: tuple[Connection, ...]
    foreign: tuple[Seen, ...]
    elsewhere: tuple[Seen, ...]
    captured: tuple[str, ...]
    missing: tuple[str, ...]

    def chosen(self, which: str) -> Sequence[Connection]:
        """The connections that are meant: established ones where there are any, else the first try; all for `every`.

        More than one for `only` is for the caller to refuse.
        """
        if which == "every":
            return self.connections
        established = [connection for connection in self.connections if connection.established]
        meant = established or list(self.connections[:1])
        return meant[:1] if which == "first" else meant


def points_of(evidence: Evidence, *nodes: str) -> list[str]:
    """The capture points of nodes."""
    return [interface.point for node in nodes for interface in interfaces_of(evidence.plan, node)]


def find(evidence: Evidence, source: str, to: str, port: int) -> Found:
    """The connections from one node's address to a port of another's, and those that come near to it."""
    clients, servers = addresses_of(evidence.plan, source), addresses_of(evidence.plan, to)
    at: dict[str, list[Seen]] = {}
    foreign: list[Seen] = []
    elsewhere: list[Seen] = []
    captured = [node for node in (source, to) if any(p in evidence.captures for p in points_of(evidence, node))]
    for node in captured:
        at[node] = []
        for seen in at_node(evidence, node):
            swapped = seen.conversation.start_missing and seen.client.address in servers and seen.client.port == port
            if swapped:
                seen = Seen(node, seen.conversation, seen.server, seen.client, seen.points)
            if seen.server.address in servers and seen.server.port == port:
                (at[node] if seen.client.address in clients else foreign).append(seen)
            elif seen.client.address in clients:
                elsewhere.append(seen)
    missing = [point for point in points_of(evidence, source, to) if left_out(evidence, point)]
    pairs = _paired(at.get(source, []), at.get(to, []))
    return Found(tuple(pairs), tuple(foreign), tuple(elsewhere), tuple(captured), tuple(missing))


def _paired(at_client: list[Seen], at_server: list[Seen]) -> list[Connection]:
    """Both ends' views of each connection: by addresses and ports, where these repeat by the ISN, then in order.

    A SYN that comes to the server once more, when its connection is over, opens none (RFC 9293 figure 9).
    """
    waiting = list(at_server)
    matches: dict[int, Seen] = {}
    for name in (_numbered, _name):
        for view in (view for view in at_client if id(view) not in matches):
            match = next((other for other in waiting if name(other) == name(view)), None)
            if match is not None:
                waiting.remove(match)
                matches[id(view)] = match
    found = [Connection(view, matches.get(id(view))) for view in at_client]
    known = {_numbered(view) for view in at_client}
    for view in waiting:
        if view.established or view.client.isn is None or _numbered(view) not in known:
            found.append(Connection(None, view))
        known.add(_numbered(view))
    return found


def _numbered(seen: Seen) -> tuple[FourTuple, int | None]:
    return _name(seen), seen.client.isn


def _name(seen: Seen) -> FourTuple:
    return seen.client.address, seen.client.port, seen.server.address, seen.server.port


def at_node(evidence: Evidence, node: str) -> list[Seen]:
    """Every TCP conversation at a node's interfaces, without what counts for nobody.

    A node with several interfaces may send by one and receive by another: there, and only there, frames are ordered
    by their time, which one kernel stamped for all of them.
    """
    points = [point for point in points_of(evidence, node) if point in evidence.captures]
    packets: list[Packet] = []
    where: dict[int, str] = {}
    for point in points:
        kept = counted(evidence, point)
        packets += kept
        where.update((id(packet), point) for packet in kept)
    if len(points) > 1:
        packets.sort(key=lambda packet: packet.time)
    conversations = tcp_conversations(packets)
    return [Seen(node, each, each.client, each.server, where) for each in conversations]


def counted(evidence: Evidence, point: str) -> list[Packet]:
    """The TCP packets of a capture point up to the end mark, without what a program's node sent after we ended it.

    The kernel of a killed program says goodbye in its stead, with a perfect FIN. Whether a packet came before the
    mark is asked of its sender's own capture where there is one, since marks are not set everywhere at once.
    """
    packets = [packet for packet in evidence.captures[point].judged if packet.protocol == TCP]
    for mark in evidence.marks:
        limit = mark.frames.get(point)
        if mark.step is None or limit is None or not packets or packets[-1].number <= limit:
            continue
        late = {id(packet): identity(packet) for packet in _not_its_own(evidence, mark, point, limit, packets)}
        if late:
            node = _node_of(evidence, mark.step)
            early = _sent_before(evidence, mark, node, point, set(late.values()))
            packets = [packet for packet in packets if id(packet) not in late or late[id(packet)] in early]
    return packets


def _not_its_own(evidence: Evidence, mark: Mark, point: str, limit: int, packets: list[Packet]) -> Iterator[Packet]:
    """What an ended program's node sent after the mark on the program's connections.

    Those are the connections of its own sockets that were open by then, and those begun while it was being ended,
    where no other program of its node can have begun them.
    """
    assert mark.step is not None
    node = _node_of(evidence, mark.step)
    addresses = addresses_of(evidence.plan, node)
    open_ports = {_ports(packet) for packet in packets if packet.number <= limit}
    gone = mark.ended.get(point, limit) if mark.ended is not None and not mark.beside else limit
    begun = {_ports(packet) for packet in packets if limit < packet.number <= gone} - open_ports
    others = _ports_of_others(evidence, mark.step, node)
    for packet in packets:
        if packet.number <= limit or packet.src not in addresses:
            continue
        own = packet.sport in mark.ports if mark.ports is not None else packet.sport not in others
        if (own and _ports(packet) in open_ports) or _ports(packet) in begun:
            yield packet


def _sent_before(evidence: Evidence, mark: Mark, node: str, point: str, wanted: set[tuple[object, ...]]) -> set[object]:
    """Which of these packets their sender's own captures show before the mark."""
    own = [p for p in points_of(evidence, node) if p != point and p in evidence.captures and p in mark.frames]
    before = (packet for p in own for packet in evidence.captures[p].packets[: mark.frames[p]])
    return {key for packet in before if (key := identity(packet)) in wanted}


def _ports(packet: Packet) -> frozenset[tuple[bytes, int]]:
    return frozenset(((packet.src, packet.sport), (packet.dst, packet.dport)))


def _node_of(evidence: Evidence, step: str) -> str:
    if step in evidence.steps:
        return evidence.steps[step].node
    return next((each.node or "" for each in evidence.exercise.steps if each.name == step), "")


def _ports_of_others(evidence: Evidence, step: str, node: str) -> set[int]:
    """Ports that other programs on the node serve: their conversations go on."""
    return {
        each.ready.tcp
        for each in evidence.exercise.steps
        if each.name != step and each.node == node and each.ready is not None and each.ready.tcp is not None
    }

"""Windows that a reader closed, and what its sender did meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.checks.connections import Connection, Seen
from lab.trace.flows import Side
from lab.trace.packets import RST, SYN, Packet

_PROBE = 1  # byte that a sender may send beyond the window, to have it told again (RFC 9293 §3.8.6.1)


@dataclass(frozen=True, eq=False)
class Stall:
    """A window of zero, as its sender's capture shows it.

    `closed` is the first packet of the reader with a window of zero, `reopened` the first later one with another,
    `probes` what the sender sent in between, `resumed` its first new payload afterwards. `start` is the offset up to
    which the reader had acknowledged when it closed. `overrun` went further than any window had allowed.
    """

    view: Seen
    reader: Side
    start: int
    closed: Packet
    reopened: Packet | None = None
    probes: tuple[Packet, ...] = ()
    resumed: Packet | None = None
    overrun: Packet | None = None

    @property
    def length(self) -> int:
        """Nanoseconds from closing to reopening, at the sender; 0 while it is closed."""
        return self.reopened.time - self.closed.time if self.reopened else 0


def stalls(connection: Connection, client_reads: bool) -> list[Stall]:
    """Each time that one side's window was zero, in order; nothing where the sender's end was not captured."""
    view = connection.at_server if client_reads else connection.at_client
    if view is None:
        return []
    reader, sender = (view.client, view.server) if client_reads else (view.server, view.client)
    shift = window_shift(reader, sender)
    told = [s for s in view.conversation.segments if s.side is reader and not s.packet.flags & (SYN | RST)]
    zero = [not each.packet.window for each in told]
    edges = [index for index, shut in enumerate(zero) if shut and not (index and zero[index - 1])]
    order = {id(segment): index for index, segment in enumerate(view.conversation.segments)}
    found = []
    for index in edges:
        closed = told[index]
        again = next((each for each in told[index + 1 :] if each.packet.window), None)
        since = order[id(closed)]
        until = order[id(again)] if again else len(order)
        earlier, meanwhile = view.conversation.segments[:since], view.conversation.segments[since:until]
        highest = max((each.end for each in earlier if each.side is sender), default=0)
        probes = [each for each in meanwhile if each.side is sender and not each.packet.flags & RST]
        allowed = max((_edge(sender, each.packet, shift) for each in told[: index + 1]), default=0)
        over = next((each.packet for each in probes if each.end > max(allowed, highest) + _PROBE), None)
        later = view.conversation.segments[until:]
        reached = max((each.end for each in probes), default=highest)
        resumed = next((s.packet for s in later if s.side is sender and s.end > max(highest, reached)
                        and s.packet.payload_length), None)  # fmt: skip
        found.append(
            Stall(
                view, reader, acknowledged(sender, closed.packet), closed.packet, again.packet if again else None,
                tuple(each.packet for each in probes), resumed, over if shift is not None else None,
            )
        )  # fmt: skip
    return found


def windows(connection: Connection, client_reads: bool) -> Iterator[int]:
    """Every window of a side in bytes, as the sender's capture shows it; nothing where its scale is not known."""
    view = connection.at_server if client_reads else connection.at_client
    if view is None:
        return
    reader, sender = (view.client, view.server) if client_reads else (view.server, view.client)
    shift = window_shift(reader, sender)
    if shift is not None:
        for segment in view.conversation.segments:
            if segment.side is reader and not segment.packet.flags & (SYN | RST):
                yield segment.packet.window << shift


def window_shift(reader: Side, sender: Side) -> int | None:
    """By how many bits a side's windows are shifted: by none unless both SYNs offer it (RFC 7323 §2.2).

    None where that is not known, because a SYN was not captured.
    """
    offered = (reader.direction.shift, sender.direction.shift)
    if -1 in offered:
        return 0
    return None if None in offered else reader.direction.shift


def acknowledged(sender: Side, packet: Packet) -> int:
    """The offset of the sender's stream that a packet of the other side acknowledges."""
    near = sender.highest_ack or 0
    distance = (packet.ack - (sender.first or 0) - near + 2**31) % 2**32 - 2**31
    return near + distance


def _edge(sender: Side, packet: Packet, shift: int | None) -> int:
    """How far a packet's window lets the sender send."""
    return acknowledged(sender, packet) + (packet.window << (shift or 0))


def longest(found: Sequence[Stall]) -> Stall:
    """The stall that lasted longest."""
    return max(found, key=lambda stall: stall.length)



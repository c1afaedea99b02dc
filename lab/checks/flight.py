"""How many bytes a sender has on their way at a time, as its own capture shows them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lab.checks.connections import Connection, Seen
from lab.checks.losses import Loss
from lab.checks.stalls import acknowledged
from lab.trace.flows import Side
from lab.trace.packets import ACK, Packet


@dataclass(frozen=True)
class Moment:
    """Right after a segment with payload left: what was sent and what acknowledged by then, as offsets."""

    packet: Packet
    place: int  # in the conversation
    sent: int
    acked: int

    @property
    def flight(self) -> int:
        """Bytes on their way (RFC 5681 §2: FlightSize)."""
        return self.sent - self.acked


@dataclass(frozen=True, eq=False)
class Flight:
    """One side's flight over a whole connection."""

    view: Seen
    side: Side
    moments: tuple[Moment, ...]

    @cached_property
    def segment(self) -> int:
        """Bytes of payload in a full segment: of the largest that was sent."""
        return max((moment.packet.payload_length for moment in self.moments), default=0)

    @property
    def first(self) -> Moment:
        """The most that was sent before any byte was acknowledged."""
        early = [each for each in self.moments if each.acked <= 0]
        return max(early or self.moments[:1], key=lambda each: each.flight)

    def peak(self, before: Packet | None) -> Moment:
        """The largest flight, up to a packet where one is given."""
        return max(self._until(before), key=lambda each: each.flight)

    def at(self, packet: Packet) -> Moment:
        """The last moment before a packet of this side left."""
        return self._until(packet)[-1]

    def _until(self, packet: Packet | None) -> tuple[Moment, ...]:
        """The moments before a packet; all of them where none is given or came first."""
        place = next((each.place for each in self.moments if each.packet is packet), None)
        return tuple(each for each in self.moments if place is None or each.place < place) or self.moments

    def recovered(self, loss: Loss) -> tuple[Moment, ...]:
        """The round trip after a repair: from when all that had been sent before it was acknowledged.

        It ends when something that was sent after that is acknowledged.
        """
        if loss.repair is None:
            return ()
        sent = self.at(loss.repair).sent
        later = [each for each in self.moments if each.acked >= sent]
        return tuple(each for each in later if each.acked <= later[0].sent)


def flight(connection: Connection, client_sends: bool) -> Flight | None:
    """A side's flight at its own capture; None where that is missing, or nothing was sent."""
    view = connection.at_client if client_sends else connection.at_server
    if view is None:
        return None
    side = view.client if client_sends else view.server
    sent = acked = 0
    moments = []
    for place, segment in enumerate(view.conversation.segments):
        if segment.side is not side:
            if segment.packet.flags & ACK:
                acked = max(acked, acknowledged(side, segment.packet))
        elif segment.packet.payload_length:
            sent = max(sent, segment.end)
            moments.append(Moment(segment.packet, place, sent, acked))
    return Flight(view, side, tuple(moments)) if moments else None

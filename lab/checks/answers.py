"""Why an answer is missing, or came when nobody was there any more to take it."""

from __future__ import annotations

from lab.checks import causes_talk
from lab.checks.base import Cause
from lab.checks.connections import Seen, points_of
from lab.evidence import Evidence
from lab.trace.flows import Side
from lab.trace.packets import FIN, RST, TCP, Packet

_AT_ONCE = 250_000_000  # nanoseconds in which a program that waited for the end of a stream surely answers it


def unanswered(evidence: Evidence, view: Seen, speaker: Side, listener: Side, names: tuple[str, str]) -> Cause | None:
    """Why the listener, who asked something, had no answer in its time; `names` are the speaker's and the listener's.

    None where an answer came in time, whatever it was, or where nothing was asked.
    """
    name, other = names
    farewell = goodbye(evidence, view, listener, speaker)
    if not speaker.segments:
        waiting = other if listener.fin is None and listener.reset is None else None
        return causes_talk.never_answered(name, listener.stream, waiting) if listener.stream else None
    first = speaker.segments[0].packet
    if farewell is None or first.time < farewell.time:
        return None
    if first.time - farewell.time < _AT_ONCE:
        return causes_talk.waited_for_end(name, other)
    return causes_talk.answered_late(name, other)


def goodbye(evidence: Evidence, view: Seen, side: Side, peer: Side) -> Packet | None:
    """The FIN or RST that a side's kernel sent after its program had been ended by us; it counts for nobody."""
    ends = side.address, side.port, peer.address, peer.port
    counted = {id(packet) for packet in view.conversation.packets}
    points = (point for point in points_of(evidence, view.node) if point in evidence.captures)
    for packet in (packet for point in points for packet in evidence.captures[point].judged):
        ending = packet.protocol == TCP and packet.flags & (FIN | RST) and id(packet) not in counted
        if ending and (packet.src, packet.sport, packet.dst, packet.dport) == ends:
            return packet
    return None

"""The conversations of a capture file, in memory that grows with their number and not with that of the packets."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from itertools import islice

from lab.trace.datagrams import Datagrams
from lab.trace.flows import Conversation, Tracker, tcp_conversations
from lab.trace.packets import Packet, decode, quoted
from lab.trace.pcap import Pcap
from lab.trace.pcapng import Pcapng

Trace = Pcap | Pcapng


class Survey:
    """The conversations that one pass over a trace finds: `points` has those of each interface, by its index.

    Each interface is a capture point of its own: a packet that passes two of them was not sent twice. With `frames`
    the numbers of each conversation's frames are kept too, at four bytes a frame. `datagrams` has the exchanges of
    UDP by the same index, and `damaged` is how many frames have a wrong checksum.
    """

    def __init__(self, trace: Trace, *, frames: bool = False) -> None:
        trackers: dict[int, Tracker] = {}
        datagrams: dict[int, Datagrams] = {}
        self._numbers: dict[int, array[int]] = {}
        self.damaged = 0
        for frame in trace:
            tracker = trackers.get(trace.interface)
            if tracker is None:
                tracker = trackers[trace.interface] = Tracker(keep=False)
                datagrams[trace.interface] = Datagrams(keep=False)
            side, wrong, packet = tracker.skim(*frame)
            if side is None and packet is not None:
                datagrams[trace.interface].add(packet)
            if wrong:
                self.damaged += 1
            if frames and side is not None:
                self._numbers.setdefault(id(side), array("I")).append(frame[0])
        self.points = {index: tracker.conversations for index, tracker in sorted(trackers.items())}
        self.datagrams = {index: found.exchanges for index, found in datagrams.items()}

    def frames(self, talk: Conversation) -> list[int]:
        """The numbers of its frames in the file; empty where they were not asked for."""
        return sorted(number for side in talk.sides for number in self._numbers.get(id(side), ()))


def one_conversation(trace: Trace, interface: int, index: int, most: int) -> tuple[list[Packet], Conversation]:
    """The packets of conversation `index` of an interface, with the ICMP errors about it, `most` of them at the most.

    `trace` is a new reading of the file that the survey was made of. A packet that came in fragments is there as a
    whole. The conversation is that of these packets alone, and keeps them.
    """
    packets = list(islice(_of(trace, interface, index), most))
    return packets, tcp_conversations(packets)[0]


def _of(trace: Trace, interface: int, index: int) -> Iterator[Packet]:
    tracker = Tracker(keep=False)
    for packet in _packets(trace):
        if trace.interface != interface:
            continue
        segment = tracker.feed(packet)
        if len(tracker.conversations) <= index:
            continue
        talk = tracker.conversations[index]
        if segment is None:
            subject = quoted(packet)
            if subject is not None and {subject.src, subject.dst} == {side.address for side in talk.sides}:
                yield packet
        elif segment.side is talk.client or segment.side is talk.server:
            yield segment.packet


def _packets(trace: Iterable[tuple[int, int, int, bytes, int]]) -> Iterator[Packet]:
    return (decode(*frame) for frame in trace)

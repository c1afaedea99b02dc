"""The packets of one capture point become TCP conversations (RFC 9293), all arithmetic modulo 2**32."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from struct import Struct
from typing import Literal

from lab.trace import analysis
from lab.trace.analysis import Direction, classify, unwrap
from lab.trace.fragments import Reassembly
from lab.trace.holes import Holes
from lab.trace.layers import sums_up
from lab.trace.numbers import IPV4, LINK_ETHERNET
from lab.trace.options import WINDOW_SCALE
from lab.trace.packets import ACK, FIN, RST, SYN, TCP, Packet, decode, options_cut, tcp_options
from lab.trace.streams import Stream, assemble

_HALF = 1 << 31
_MASK = (1 << 32) - 1
_HEADERS = Struct("!12xHBxH2xHxB14xIIBBH").unpack_from  # of TCP over IPv4 over Ethernet, without options
_COURSE = SYN | FIN | RST | ACK  # of these the middle of a connection has ACK alone
_PORTS = Struct("!HH").pack

Key = tuple[bytes, int, bytes, int]  # source address and port, destination address and port


@dataclass(slots=True, eq=False)
class Side:
    """One end of a conversation and what it sent; offsets count its payload bytes from 0.

    `isn` is its initial sequence number, None where its SYN was not captured; offset 0 is then the first that was
    seen. `first` is the sequence number of offset 0. `sent` is the highest offset of payload sent, `highest_ack` the
    highest offset of the peer's stream that it acknowledged (one more than was sent, once that includes the FIN).
    """

    address: bytes
    port: int
    isn: int | None = None
    first: int | None = None
    sent: int = 0
    highest_ack: int | None = None
    syn: Packet | None = None  # its first SYN, with or without ACK
    fin: Packet | None = None
    fin_offset: int | None = None
    fin_ack: Packet | None = None  # the peer's first packet that acknowledges the FIN
    reset: Packet | None = None  # its first RST that counts
    packets: int = 0
    payload_bytes: int = 0  # all that went over the wire, so repeated bytes too
    retransmissions: int = 0
    direction: Direction = field(default_factory=Direction, repr=False)
    holes: Holes = field(default_factory=Holes, repr=False)
    segments: list[Segment] = field(default_factory=list, repr=False)  # those with payload
    _stream: tuple[int, Stream] | None = field(default=None, repr=False)

    def assembled(self) -> Stream:
        """Its payload put together, with gaps and contradictions."""
        if self._stream is None or self._stream[0] != len(self.segments):
            # A keep-alive's byte may be made up, so it counts only where no other copy was captured.
            pieces = [(s.start, s.packet.payload) for s in self.segments if "keep-alive" not in s.kinds]
            spare = [(s.start, s.packet.payload) for s in self.segments if "keep-alive" in s.kinds]
            stream = assemble(pieces)
            if spare:
                stream = replace(assemble([*pieces, *spare]), inconsistent=stream.inconsistent)
            self._stream = len(self.segments), stream
        return self._stream[1]

    @property
    def stream(self) -> bytes:
        """Its bytes from offset 0 as far as they are known without a gap; of bytes sent twice the first copy."""
        return self.assembled().data

    @property
    def missing(self) -> list[tuple[int, int]]:
        """Gaps in the stream that later bytes or the FIN prove, each (start, end)."""
        assembled = self.assembled()
        gaps = list(assembled.missing)
        reached = gaps[-1][1] if gaps else len(assembled.data)
        reached = max([reached, *(s.start + len(s.packet.payload) for s in self.segments)])
        if self.fin_offset is not None and reached < self.fin_offset:
            gaps.append((reached, self.fin_offset))
        return gaps

    @property
    def inconsistent(self) -> int | None:
        """Offset of the first byte that was sent twice with different values, or None."""
        return self.assembled().inconsistent


@dataclass(slots=True, eq=False)
class Segment:
    """One packet in its conversation: who sent it, the offsets of its payload, and what kinds of segment it is."""

    packet: Packet
    side: Side
    start: int
    end: int
    kinds: frozenset[str]


Opened = Literal["complete", "unconfirmed", "refused", "unanswered", "midstream"]
Closed = Literal["fin", "half", "reset", "open"]


@dataclass(slots=True, eq=False)
class Conversation:
    """One TCP connection, as one capture point saw it.

    The client is who sent the first SYN, else who received the first SYN-ACK, else who was seen first. The three
    packets of the handshake are the accepted ones: their numbers fit together (RFC 9293 section 3.5).
    """

    index: int
    client: Side
    server: Side
    start_missing: bool = False  # the SYN was not captured
    syn: Packet | None = None
    syn_ack: Packet | None = None
    handshake_ack: Packet | None = None
    simultaneous: bool = False  # both sides sent a SYN of their own (RFC 9293 figure 7)
    refused: Packet | None = None  # the RST that answered the SYN
    reset: Packet | None = None
    first_fin: Packet | None = None
    closes_first: Side | None = None  # sent the first FIN
    started: int = 0  # times of its first and last packet, in ns
    ended: int = 0
    rtt: int = 0  # of the handshake, in ns: from the last SYN without ACK to the first packet with ACK and without SYN
    asked: int = 0  # time of that SYN
    had: int = 0  # the bits of `completeness`
    segments: list[Segment] = field(default_factory=list, repr=False)

    @property
    def completeness(self) -> int:
        """What it had, in bits as of Wireshark's `tcp.completeness`: 1 SYN, 2 SYN-ACK, 4 ACK, 8 data, 16 FIN, 32 RST.

        A SYN counts that came first; without one, a segment that stayed alone does not.
        """
        return self.had if self.had & 1 or self.client.packets + self.server.packets > 1 else 0

    @property
    def key(self) -> Key:
        """Client's address and port, server's address and port."""
        return self.client.address, self.client.port, self.server.address, self.server.port

    @property
    def packets(self) -> list[Packet]:
        """Its packets in the order of the capture."""
        return [segment.packet for segment in self.segments]

    @property
    def sides(self) -> tuple[Side, Side]:
        """Client and server."""
        return self.client, self.server

    @property
    def opened(self) -> Opened:
        """How it was opened; "unconfirmed" lacks only the third packet."""
        if self.refused:
            return "refused"
        if self.syn is None:
            return "midstream"
        if self.handshake_ack:
            return "complete"
        return "unconfirmed" if self.syn_ack else "unanswered"

    @property
    def closed(self) -> Closed:
        """How it ended: by a reset, by both FINs ("half": only one so far), or not at all."""
        if self.reset:
            return "reset"
        fins = sum(side.fin is not None for side in self.sides)
        return "fin" if fins == 2 else "half" if fins else "open"

    def peer(self, side: Side) -> Side:
        """The other side."""
        return self.server if side is self.client else self.client


class Tracker:
    """Sorts packets into conversations as they come.

    With `keep=False` no segment is retained, only each conversation's counts and decisive packets, so memory grows
    with the number of conversations and not of packets; streams are then empty.
    """

    def __init__(self, *, keep: bool = True) -> None:
        self.conversations: list[Conversation] = []
        self._keep = keep
        # By source, destination and ports: what one slice holds of TCP over IPv4 without options.
        self._open: dict[bytes, tuple[Conversation, Side, Side]] = {}
        self._fragments = Reassembly()

    def feed(self, packet: Packet) -> Segment | None:
        """Take the next packet of the capture point; None where it is not a (whole) TCP segment."""
        if packet.protocol != TCP or packet.refusal is not None:
            return None
        if packet.more_fragments or packet.fragment_offset:
            whole = self._fragments.add(packet)
            if whole is None or whole.refusal is not None:
                return None
            packet = whole
        flags, seq = packet.flags, packet.seq
        found = self._open.get(packet.src + packet.dst + _PORTS(packet.sport, packet.dport))
        kinds = 0
        if found is None:
            found = self._begin(packet)
        elif flags & (SYN | ACK) == SYN and _starts_anew(found, seq):
            found = self._begin(packet)
            kinds = analysis.PORT_REUSED
        conversation, side, peer = found
        size = packet.payload_length
        start, found_kinds = _place(conversation, side, peer, packet)
        kinds |= found_kinds
        segment = Segment(packet, side, start, start + size, analysis.names(kinds))
        if self._keep:
            conversation.segments.append(segment)
            if size:
                side.segments.append(segment)
        return segment

    def skim(
        self, number: int, time: int, length: int, data: bytes, link_type: int
    ) -> tuple[Side | None, bool, Packet | None]:
        """Take the next frame as `feed` does of its packet, and keep nothing of it, several times as fast.

        Gives the side that sent it, None where it is not a (whole) TCP segment, whether a checksum in it is wrong, and
        the packet where it was decoded, as all is that is not in the middle of a connection over plain IPv4.
        """
        if link_type == LINK_ETHERNET and len(data) >= 54:
            found = self._open.get(data[26:38])
            if found is not None:
                conversation, side, peer = found
                ethertype, first, total, fragment, protocol, seq, acked, offset, flags, window = _HEADERS(data)
                end, start = 14 + total, 34 + (offset >> 4 << 2)
                if (ethertype == IPV4 and first == 0x45 and protocol == TCP and not fragment & 0x3FFF
                        and flags & _COURSE == ACK and 54 <= start <= end <= len(data)
                        and conversation.handshake_ack is not None and peer.fin is None
                        and side.first is not None and peer.first is not None):  # fmt: skip
                    # `_place` of a segment that is not decisive, unrolled.
                    sent, received, size = side.direction, peer.direction, end - start
                    near = sent.next or 0
                    begin = near + ((seq - side.first - near + _HALF) & _MASK) - _HALF
                    heard = received.next or 0
                    ack = heard + ((acked - peer.first - heard + _HALF) & _MASK) - _HALF
                    if side.highest_ack is None or ack > side.highest_ack:
                        side.highest_ack = ack
                    kinds = classify(sent, received, flags, begin, ack, size, window, time, conversation.rtt)
                    if kinds:
                        side.retransmissions += kinds & analysis.RETRANSMISSION != 0
                        side.holes.note(kinds & analysis.LOST_BEFORE, max(near, side.sent), begin, begin + size)
                    if size:
                        side.payload_bytes += size
                        if begin + size > side.sent:
                            side.sent = begin + size
                        conversation.had |= 8
                    else:
                        conversation.had |= 4
                    side.packets += 1
                    conversation.ended = time
                    right = sums_up(data, 26, end, TCP + total - 20)
                    return side, not right or int.from_bytes(data[14:34], "big") % 0xFFFF != 0, None
        packet = decode(number, time, length, data, link_type)
        segment = self.feed(packet)
        wrong = packet.checksum_ok is False or packet.ip_checksum_ok is False
        return segment.side if segment is not None else None, wrong, packet

    def _begin(self, packet: Packet) -> tuple[Conversation, Side, Side]:
        sender, receiver = Side(packet.src, packet.sport), Side(packet.dst, packet.dport)
        backwards = packet.flags & (SYN | ACK) == SYN | ACK
        client, server = (receiver, sender) if backwards else (sender, receiver)
        conversation = Conversation(
            len(self.conversations), client, server, not packet.flags & SYN or backwards, started=packet.time
        )
        self.conversations.append(conversation)
        found = conversation, sender, receiver
        there, back = packet.src + packet.dst, packet.dst + packet.src
        self._open[back + _PORTS(packet.dport, packet.sport)] = conversation, receiver, sender
        self._open[there + _PORTS(packet.sport, packet.dport)] = found
        return found


def tcp_conversations(packets: Iterable[Packet]) -> list[Conversation]:
    """The TCP conversations among the packets of one capture point, in the order of their first packets."""
    tracker = Tracker()
    for packet in packets:
        tracker.feed(packet)
    return tracker.conversations


def _decisive(conversation: Conversation, side: Side, peer: Side) -> bool:
    """Whether any next segment of that side may be one to remember: until a connection is open, and once it closes."""
    return conversation.handshake_ack is None or peer.fin is not None or side.first is None or peer.first is None


def _place(conversation: Conversation, side: Side, peer: Side, packet: Packet) -> tuple[int, int]:
    """Count a segment: the offset of its payload, and its kinds as bits."""
    flags, seq, acked, size, time = packet.flags, packet.seq, packet.ack, packet.payload_length, packet.time
    if flags & SYN and side.isn is None and side.reset is not None:
        # The RST's are worth nothing.
        side.first, side.highest_ack, side.direction, side.holes = None, None, Direction(), Holes()
    if side.first is None:
        side.first = seq + (1 if flags & SYN else 0) & _MASK
    near = side.direction.next or 0
    start = unwrap(seq - side.first, near)
    ack: int | None = None
    if flags & ACK:
        if peer.first is None:
            peer.first = acked
        ack = unwrap(acked - peer.first, peer.direction.next or 0)
        if side.highest_ack is None or ack > side.highest_ack:
            side.highest_ack = ack
    rtt = conversation.rtt
    if flags & (SYN | FIN | RST) or _decisive(conversation, side, peer):
        _follow(conversation, side, peer, packet, start + size, ack)
    kinds = classify(side.direction, peer.direction, flags, start, ack, size, packet.window, time, rtt)
    if kinds:
        side.retransmissions += kinds & analysis.RETRANSMISSION != 0
        lost = not flags & SYN and kinds & analysis.LOST_BEFORE  # a second SYN-ACK may have a number of its own
        side.holes.note(lost, max(near, side.sent), start, start + size)
    if flags & SYN:
        start += 1
    if size and start + size > side.sent:
        side.sent = start + size
    side.packets += 1
    side.payload_bytes += size
    conversation.ended = time
    conversation.had |= analysis.completeness(flags, size > 0, first=side.packets + peer.packets == 1)
    return start, kinds


def _starts_anew(found: tuple[Conversation, Side, Side], seq: int) -> bool:
    """Whether a SYN begins another conversation between the same ports: not where it is sent again, refused or not."""
    conversation, side, _ = found
    if side.first is None:
        return False
    return side.first != (seq + 1) & _MASK or (conversation.closed != "open" and conversation.refused is None)


def _follow(conversation: Conversation, side: Side, peer: Side, packet: Packet, end: int, ack: int | None) -> None:
    """Note what the packet does to the connection; `end` and `ack` are offsets."""
    flags = packet.flags
    if flags & (SYN | ACK) == ACK and conversation.asked and not conversation.rtt:
        conversation.rtt = packet.time - conversation.asked
    if flags & SYN:
        _synchronise(conversation, side, peer, packet, ack)
    elif (side is conversation.client and ack == 0 and not flags & RST
          and end - packet.payload_length in _opening(conversation)):  # fmt: skip
        _confirm(conversation, packet)
    if flags & FIN and side.fin is None:
        side.fin, side.fin_offset = packet, end
        if conversation.first_fin is None:
            conversation.first_fin, conversation.closes_first = packet, side
    if ack is not None and peer.fin_offset is not None and peer.fin_ack is None and ack > peer.fin_offset:
        peer.fin_ack = packet
    if flags & RST and _acceptable(peer, end - packet.payload_length):
        side.reset = side.reset or packet
        if conversation.reset is None:
            conversation.reset = packet
            unanswered = conversation.syn is not None and conversation.syn_ack is None
            if unanswered and ack is not None and side is conversation.server:
                conversation.refused = packet


def _acceptable(receiver: Side, start: int) -> bool:
    """Whether a RST at that offset counts: one before what was acknowledged is ignored (RFC 9293 section 3.5.3)."""
    return receiver.highest_ack is None or start >= receiver.highest_ack


def _synchronise(conversation: Conversation, side: Side, peer: Side, packet: Packet, ack: int | None) -> None:
    if side.syn is None:
        side.syn, side.isn = packet, packet.seq
        scales = [value for kind, _, value in tcp_options(packet) if kind == WINDOW_SCALE]
        offered = min(scales[0], 14) if scales and isinstance(scales[0], int) else -1
        side.direction.shift = None if offered < 0 and options_cut(packet) else offered
    if ack is None:
        conversation.asked = packet.time
        if side is conversation.client:
            if conversation.syn is None:
                conversation.syn, conversation.start_missing = packet, False
        elif conversation.syn is not None:
            conversation.simultaneous = True
    elif conversation.syn is not None:
        if side is conversation.server and ack in _opening(conversation):
            conversation.syn_ack = conversation.syn_ack or packet
        elif side is conversation.client and ack == 0 and conversation.simultaneous:
            conversation.handshake_ack = conversation.handshake_ack or packet


def _opening(conversation: Conversation) -> tuple[int, int]:
    """Offsets of the client that its handshake may reach: the server may take data in the SYN (RFC 7413 section 4)."""
    return 0, conversation.syn.payload_length if conversation.syn is not None else 0


def _confirm(conversation: Conversation, packet: Packet) -> None:
    if conversation.syn is not None and conversation.syn_ack is not None and conversation.handshake_ack is None:
        conversation.handshake_ack = packet
        early = conversation.server.reset
        if early is not None and early.number < conversation.syn_ack.number:  # ignored: RFC 9293 section 3.10.7.3
            conversation.refused = conversation.reset = conversation.server.reset = None

"""The UDP datagrams of one capture point (RFC 768), kept apart by protocol, addresses and ports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.trace.fragments import Reassembly
from lab.trace.packets import UDP, Packet


@dataclass(slots=True, eq=False)
class Exchange:
    """Datagrams between two sockets, both directions; the client is who sent the first."""

    client: tuple[bytes, int]  # address and port
    server: tuple[bytes, int]
    sent: int = 0  # datagrams of the client …
    received: int = 0  # … and of the server
    bytes_sent: int = 0  # in them
    bytes_received: int = 0
    packets: list[Packet] = field(default_factory=list, repr=False)  # where they are kept


class Datagrams:
    """Collects the exchanges of one capture point as its packets come; `keep` says whether these are kept.

    A fragmented datagram counts once, as the whole packet that its last fragment completed.
    """

    def __init__(self, *, keep: bool) -> None:
        self.exchanges: list[Exchange] = []  # in the order of their first datagrams
        self._keep = keep
        self._found: dict[tuple[bytes, int, bytes, int], Exchange] = {}  # both ways
        self._fragments = Reassembly()

    def add(self, packet: Packet) -> None:
        """Take the next packet; one that is no (whole) datagram is left out."""
        if packet.more_fragments or packet.fragment_offset:
            whole = self._fragments.add(packet)
            if whole is None:
                return
            packet = whole
        if packet.protocol != UDP or packet.refusal is not None:
            return
        sender, receiver = (packet.src, packet.sport), (packet.dst, packet.dport)
        exchange = self._found.get((*sender, *receiver))
        if exchange is None:
            exchange = Exchange(sender, receiver)
            self.exchanges.append(exchange)
            self._found[*sender, *receiver] = self._found[*receiver, *sender] = exchange
        if sender == exchange.client:
            exchange.sent += 1
            exchange.bytes_sent += packet.payload_length
        else:
            exchange.received += 1
            exchange.bytes_received += packet.payload_length
        if self._keep:
            exchange.packets.append(packet)


def udp_conversations(packets: Iterable[Packet]) -> list[Exchange]:
    """The exchanges among the packets of one capture point, with their packets."""
    datagrams = Datagrams(keep=True)
    for packet in packets:
        datagrams.add(packet)
    return datagrams.exchanges

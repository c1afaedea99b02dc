"""The UDP datagrams of one capture point (RFC 768), kept apart by protocol, addresses and ports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.trace.fragments import Reassembly, reassembled
from lab.trace.packets import UDP, Packet


@dataclass(slots=True, eq=False)
class Exchange:
    """Datagrams between two sockets, both directions; the client is who sent the first."""

    index: int
    client: tuple[bytes, int]  # address and port
    server: tuple[bytes, int]
    packets: list[Packet] = field(default_factory=list, repr=False)

    @property
    def sent(self) -> list[Packet]:
        """What the client sent."""
        return [packet for packet in self.packets if (packet.src, packet.sport) == self.client]

    @property
    def received(self) -> list[Packet]:
        """What the server sent."""
        return [packet for packet in self.packets if (packet.src, packet.sport) != self.client]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """As those of a `Count`."""
        count = Count(self.client, self.server)
        for packet in self.packets:
            count.add(packet)
        return count.counts


@dataclass(slots=True, eq=False)
class Count:
    """An exchange of which no packet is kept."""

    client: tuple[bytes, int]
    server: tuple[bytes, int]
    sent: int = 0  # datagrams, and the bytes in them
    received: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Datagrams there and back, bytes there and back."""
        return self.sent, self.received, self.bytes_sent, self.bytes_received

    def add(self, packet: Packet) -> None:
        """Count one more."""
        if packet.sport == self.client[1] and packet.src == self.client[0]:
            self.sent += 1
            self.bytes_sent += packet.payload_length
        else:
            self.received += 1
            self.bytes_received += packet.payload_length


class Datagrams:
    """Counts the exchanges of one capture point as its packets come, in memory that grows with the exchanges alone."""

    def __init__(self) -> None:
        self.exchanges: list[Count] = []
        self._found: dict[tuple[bytes, int, bytes, int], Count] = {}  # both ways
        self._fragments = Reassembly()

    def add(self, packet: Packet) -> None:
        """Take the next packet; one that is no (whole) datagram is left out."""
        if packet.protocol != UDP or packet.refusal is not None:
            return
        if packet.more_fragments or packet.fragment_offset:
            whole = self._fragments.add(packet)
            if whole is None or whole.refusal is not None:
                return
            packet = whole
        key = packet.src, packet.sport, packet.dst, packet.dport
        count = self._found.get(key)
        if count is None:
            count = Count(key[:2], key[2:])
            self.exchanges.append(count)
            self._found[key] = self._found[key[2:] + key[:2]] = count
        count.add(packet)


def udp_conversations(packets: Iterable[Packet]) -> list[Exchange]:
    """The exchanges among the packets of one capture point, in the order of their first datagrams.

    A fragmented datagram counts once, as the whole packet that its last fragment completed.
    """
    exchanges: dict[tuple[bytes, int, bytes, int], Exchange] = {}
    for packet in reassembled(packets):
        if packet.protocol != UDP or packet.refusal is not None:
            continue
        sender, receiver = (packet.src, packet.sport), (packet.dst, packet.dport)
        exchange = exchanges.get((*sender, *receiver)) or exchanges.get((*receiver, *sender))
        if exchange is None:
            exchange = exchanges[*sender, *receiver] = Exchange(len(exchanges), sender, receiver)
        exchange.packets.append(packet)
    return list(exchanges.values())

"""The UDP datagrams of one capture point (RFC 768), kept apart by protocol, addresses and ports."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from lab.trace.fragments import reassembled
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

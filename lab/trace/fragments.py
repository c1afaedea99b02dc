"""IP fragments become the packet that was sent (RFC 791 section 3.2, RFC 8200 section 4.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lab.trace import numbers
from lab.trace.packets import Packet, decode
from lab.trace.streams import insert

_LONGEST = 65_535  # bytes of an IP payload
_PENDING = 1024  # packets waiting for fragments; the oldest gives way, as no clock may be read here
_FRAGMENTS = 8192  # of one packet, as each begins at another multiple of eight bytes; more of them are no packet's


_Key = tuple[bytes, bytes, int, int]


@dataclass(slots=True)
class _Parts:
    """What has come of a packet. Each piece costs time by its own length, whatever came before it."""

    first: Packet | None = None
    numbers: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)  # do not overlap, in the order of `starts`
    reached: int = 0  # bytes that are known from the first on without a gap …
    joined: int = 0  # … and the pieces that hold them
    total: int | None = None

    def add(self, packet: Packet, data: bytes) -> None:
        start = packet.fragment_offset
        self.numbers.append(packet.number)
        if start == 0 and self.first is None:
            self.first = packet
        insert(self.starts, self.pieces, start, data, [])
        while self.joined < len(self.starts) and self.starts[self.joined] == self.reached:
            self.reached += len(self.pieces[self.joined])
            self.joined += 1
        if not packet.more_fragments:
            self.total = start + len(data)


class Reassembly:
    """Collects fragments until their packet is whole, in bounded memory."""

    def __init__(self) -> None:
        self._pending: dict[_Key, _Parts] = {}

    def add(self, packet: Packet) -> Packet | None:
        """Take a fragment; the whole packet with the number and time of its last fragment, once it has all.

        Of bytes that came twice the first count. The IPv6 extension headers before the fragment header are left out.
        """
        key = _key(packet)
        parts = self._pending.setdefault(key, _Parts())
        at = packet.transport_start if packet.version == 4 else _fragment_header(packet) + 8
        end = packet.payload_start + packet.payload_length
        if end > len(packet.data) or packet.fragment_offset + end - at > _LONGEST:
            del self._pending[key]
            return None
        parts.add(packet, packet.data[at:end])
        if parts.first is not None and parts.total is not None and parts.reached >= parts.total:
            del self._pending[key]
            return _whole(packet, parts.first, parts.numbers, b"".join(parts.pieces[: parts.joined])[: parts.total])
        if len(parts.numbers) >= _FRAGMENTS:
            del self._pending[key]
        if len(self._pending) > _PENDING:
            del self._pending[next(iter(self._pending))]
        return None


def reassembled(packets: Iterable[Packet]) -> Iterator[Packet]:
    """The same packets, with each fragmented one in place of its last fragment, and no fragments."""
    reassembly = Reassembly()
    for packet in packets:
        if packet.more_fragments or packet.fragment_offset:
            whole = reassembly.add(packet)
            if whole is not None:
                yield whole
        else:
            yield packet


def packets_of(packets: Iterable[Packet]) -> dict[int, Packet | None]:
    """The packet that each fragment is of, by the fragment's `id`: its first fragment where it never got whole.

    None where that never came either.
    """
    reassembly = Reassembly()
    found: dict[int, Packet | None] = {}
    waiting: dict[_Key, list[Packet]] = {}
    for packet in packets:
        if packet.more_fragments or packet.fragment_offset:
            waiting.setdefault(_key(packet), []).append(packet)
            if (whole := reassembly.add(packet)) is not None:
                found |= {id(each): whole for each in waiting.pop(_key(packet))}
    for fragments in waiting.values():
        first = next((each for each in fragments if each.fragment_offset == 0), None)
        found |= {id(each): first for each in fragments}
    return found


def _key(fragment: Packet) -> _Key:
    """What the fragments of one packet have in common."""
    protocol = fragment.protocol if fragment.version == 4 else 0
    return fragment.src, fragment.dst, fragment.identification, protocol


def _whole(last: Packet, first: Packet, frames: list[int], payload: bytes) -> Packet:
    at = first.ip_start
    header = bytearray(first.data[at : first.transport_start if first.version == 4 else at + 40])
    if first.version == 4:
        header[2:4] = min(len(header) + len(payload), _LONGEST).to_bytes(2, "big")
        header[6:8] = (0x4000 if first.dont_fragment else 0).to_bytes(2, "big")
        header[10:12] = b"\0\0"
        header[10:12] = (0xFFFF - int.from_bytes(header, "big") % 0xFFFF).to_bytes(2, "big")
    else:
        header[4:6] = len(payload).to_bytes(2, "big")
        header[6] = first.data[_fragment_header(first)]
    # Only an Ethernet header is kept: of the other links, all that a packet has is its source.
    before, link_type = (first.data[:at], numbers.LINK_ETHERNET) if first.dst_mac else (b"", numbers.LINK_RAW)
    data = before + bytes(header) + payload
    packet = decode(last.number, last.time, len(data), data, link_type)
    packet.src_mac, packet.vlans = first.src_mac, first.vlans
    packet.identification = first.identification
    packet.fragments = tuple(frames)
    return packet


def _fragment_header(packet: Packet) -> int:
    """Where the fragment header of an IPv6 packet lies; the decoder has walked the same headers before."""
    at, following = packet.ip_start + 40, packet.data[packet.ip_start + 6]
    while following != numbers.FRAGMENT:
        following = packet.data[at]
        at += packet.data[at + 1] * 8 + 8
    return at

"""Frames made by hand, without the code under test: a second, slow opinion on every header and checksum."""

from __future__ import annotations

import io
import struct
from ipaddress import ip_address

from lab.trace.packets import Packet, decode
from lab.trace.pcap import write

CLIENT, SERVER = "10.0.1.10", "10.0.2.80"
CLIENT_MAC, ROUTER_MAC = "02:00:00:00:01:0a", "02:00:00:00:01:01"
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
MS = 1_000_000  # ns


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def ip(text: str) -> bytes:
    return ip_address(text).packed


def checksum(data: bytes) -> int:
    """RFC 1071, word by word."""
    if len(data) % 2:
        data += b"\0"
    total = 0
    for high, low in zip(data[::2], data[1::2], strict=True):
        total += high << 8 | low
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF - total


def ethernet(payload: bytes, kind: int = 0x0800, src: str = CLIENT_MAC, dst: str = ROUTER_MAC,
             tags: bytes = b"") -> bytes:
    return mac(dst) + mac(src) + tags + kind.to_bytes(2, "big") + payload


def arp(operation: int, sender: str, target: str, sender_mac: str = CLIENT_MAC,
        target_mac: str = "00:00:00:00:00:00") -> bytes:
    fixed = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return fixed + mac(sender_mac) + ip(sender) + mac(target_mac) + ip(target)


def ipv4(payload: bytes, protocol: int = 6, src: str = CLIENT, dst: str = SERVER, ttl: int = 64, ident: int = 1,
         fragment: int = 0x4000, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    length = words * 4 + len(payload)
    header = bytearray(struct.pack("!BBHHHBBH", 0x40 | words, 0, length, ident, fragment, ttl, protocol, 0))
    header += ip(src) + ip(dst) + options
    header[10:12] = checksum(bytes(header)).to_bytes(2, "big")
    return bytes(header) + payload


def ipv6(payload: bytes, protocol: int = 6, src: str = "fd00:1::10", dst: str = "fd00:2::80", hops: int = 64) -> bytes:
    return struct.pack("!IHBB", 0x6000_0000, len(payload), protocol, hops) + ip(src) + ip(dst) + payload


def pseudo(src: str, dst: str, protocol: int, length: int) -> bytes:
    return ip(src) + ip(dst) + struct.pack("!II", length, protocol)


def tcp(sport: int, dport: int, seq: int, ack: int, flags: int, payload: bytes = b"", window: int = 64240,
        options: bytes = b"", src: str = CLIENT, dst: str = SERVER) -> bytes:
    offset = 5 + len(options) // 4
    numbers = sport, dport, seq % 2**32, ack % 2**32
    header = struct.pack("!HHIIBBHHH", *numbers, offset << 4, flags, window, 0, 0) + options
    total = checksum(pseudo(src, dst, 6, len(header) + len(payload)) + header + payload)
    return header[:16] + total.to_bytes(2, "big") + header[18:] + payload


def udp(sport: int, dport: int, payload: bytes = b"", src: str = CLIENT, dst: str = SERVER) -> bytes:
    header = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    total = checksum(pseudo(src, dst, 17, 8 + len(payload)) + header + payload) or 0xFFFF
    return header[:6] + total.to_bytes(2, "big") + payload


def icmp(kind: int, code: int, rest: bytes = b"\0\1\0\1", payload: bytes = b"", before: bytes = b"") -> bytes:
    """`before` is the pseudo header of ICMPv6."""
    total = checksum(before + bytes([kind, code, 0, 0]) + rest + payload)
    return bytes([kind, code]) + total.to_bytes(2, "big") + rest + payload


def one(frame: bytes, link_type: int = 1) -> Packet:
    return decode(1, 0, len(frame), frame, link_type)


def capture(frames: list[tuple[int, bytes]]) -> bytes:
    stream = io.BytesIO()
    write(stream, frames)
    return stream.getvalue()


MSS_AND_SCALE = bytes([2, 4, 5, 0xB4, 1, 3, 3, 7])  # 1460 bytes, and 7 bits


class Talk:
    """Two TCP sides whose numbers follow from what they send, unless a test says otherwise; 1 ms a packet."""

    def __init__(self, client_isn: int = 1000, server_isn: int = 5000, sport: int = 40000, dport: int = 7000) -> None:
        self.frames: list[tuple[int, bytes]] = []
        self.now = 0
        self.ident = 0
        self.ends = {"c": (CLIENT, sport), "s": (SERVER, dport)}
        self.next = {"c": client_isn, "s": server_isn}
        self.got = {"c": 0, "s": 0}  # what that side acknowledges

    def send(self, who: str, flags: int, payload: bytes = b"", *, seq: int | None = None, ack: int | None = None,
             window: int = 64240, options: bytes = b"", after: int = MS, lost: bool = False) -> Talk:
        """`seq` other than the next one leaves the side's counter alone; a `lost` packet is not captured."""
        other = "s" if who == "c" else "c"
        (src, sport), (dst, dport) = self.ends[who], self.ends[other]
        at = self.next[who] if seq is None else seq
        acked = (self.got[who] if ack is None else ack) if flags & ACK else 0
        segment = tcp(sport, dport, at, acked, flags, payload, window, options, src, dst)
        self.now += after
        self.ident += 1
        end = at + len(payload) + (1 if flags & (SYN | FIN) else 0)
        if seq is None:
            self.next[who] = end
        if not lost:
            self.frames.append((self.now, ethernet(ipv4(segment, src=src, dst=dst, ident=self.ident))))
            if self.got[other] == at or flags & SYN:
                self.got[other] = end
        return self

    def open(self, options: bytes = MSS_AND_SCALE) -> Talk:
        self.send("c", SYN, options=options).send("s", SYN | ACK, options=options)
        return self.send("c", ACK)

    def close(self, first: str = "c") -> Talk:
        other = "s" if first == "c" else "c"
        return self.send(first, FIN | ACK).send(other, FIN | ACK).send(first, ACK)

    @property
    def packets(self) -> list[Packet]:
        return [decode(number, time, len(data), data) for number, (time, data) in enumerate(self.frames, 1)]

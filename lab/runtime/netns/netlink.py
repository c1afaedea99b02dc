"""Plain netlink: messages as bytes, many in one send, each answer checked.

Written by hand because a lab is some ten messages a node: pyroute2's calls took three to five times as long
for a star of 100 and of 1,000 hosts. Numbers are from <linux/rtnetlink.h>, <linux/if_link.h>,
<linux/inet_diag.h> and <linux/sock_diag.h>.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400

RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
RTM_NEWROUTE, RTM_GETROUTE, RTM_GETNEIGH = 24, 26, 30
SOCK_DIAG_BY_FAMILY = 20

IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_MASTER, IFLA_LINKINFO, IFLA_NET_NS_FD = 1, 3, 4, 10, 18, 28
IFLA_INFO_KIND, IFLA_INFO_DATA, VETH_INFO_PEER = 1, 2, 1
IFLA_BR_MCAST_SNOOPING = 23
IFF_UP = 1
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS, IFA_F_NODAD = 1, 2, 8, 0x02
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 1, 4, 5, 6, 9, 15, 18
NDA_DST, NDA_LLADDR = 1, 2
RT_TABLE_MAIN, RTPROT_STATIC, RTN_UNICAST = 254, 4, 1

Address = IPv4Address | IPv6Address

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ROUTE = struct.Struct("=BBBBBBBBI")
_BATCH = 48  # messages a send: their answers fit the default receive buffer


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def text(kind: int, value: str) -> bytes:
    """A text attribute."""
    return attribute(kind, value.encode() + b"\0")


def number(kind: int, value: int) -> bytes:
    """A 32-bit attribute."""
    return attribute(kind, struct.pack("=I", value))


def link(index: int, attributes: bytes, *, up: bool = True) -> bytes:
    """Body of RTM_NEWLINK; `index` 0 lets the kernel choose."""
    return _LINK.pack(0, 0, index, IFF_UP if up else 0, IFF_UP if up else 0) + attributes


def address(index: int, value: Address, prefix_length: int) -> bytes:
    """Body of RTM_NEWADDR; duplicate address detection is off, or IPv6 would be unusable for its first second."""
    family = socket.AF_INET if value.version == 4 else socket.AF_INET6
    body = _ADDRESS.pack(family, prefix_length, 0, 0, index)
    packed = attribute(IFA_LOCAL, value.packed) + attribute(IFA_ADDRESS, value.packed)
    return body + packed + (number(IFA_FLAGS, IFA_F_NODAD) if value.version == 6 else b"")


def route(to: Address, prefix_length: int, via: Address, index: int) -> bytes:
    """Body of RTM_NEWROUTE for a route through a gateway."""
    family = socket.AF_INET if to.version == 4 else socket.AF_INET6
    body = _ROUTE.pack(family, prefix_length, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0)
    destination = attribute(RTA_DST, to.packed) if prefix_length else b""
    return body + destination + attribute(RTA_GATEWAY, via.packed) + number(RTA_OIF, index)


class Netlink:
    """A netlink socket in the network namespace in which it was made, wherever its process goes later."""

    def __init__(self, protocol: int = 0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(270, 11, 1)  # SOL_NETLINK, NETLINK_EXT_ACK: the kernel says what it disliked
        self._socket.setsockopt(270, 10, 1)  # NETLINK_CAP_ACK: answers do not repeat the request
        self._socket.bind((0, 0))
        self._sequence = 0

    def fileno(self) -> int:
        """The descriptor; any socket serves for interface ioctls in its namespace."""
        return self._socket.fileno()

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()

    def send(self, messages: Iterable[tuple[int, int, bytes]]) -> None:
        """Carry out (type, flags, body) messages in order; raises OSError for the first that the kernel refused."""
        batch: list[bytes] = []
        for kind, flags, body in messages:
            self._sequence += 1
            header = _HEADER.pack(16 + len(body), kind, flags | NLM_F_REQUEST | NLM_F_ACK, self._sequence, 0)
            batch.append(header + body)
            if len(batch) == _BATCH:
                self._exchange(batch)
                batch = []
        if batch:
            self._exchange(batch)

    def _exchange(self, batch: list[bytes]) -> None:
        self._socket.send(b"".join(batch))
        first: OSError | None = None
        answers = 0
        while answers < len(batch):
            for kind, _, body in _split(self._socket.recv(1 << 16)):
                if kind == NLMSG_ERROR:
                    answers += 1
                    first = first or _error(body)
        if first:
            raise first

    def dump(self, kind: int, body: bytes) -> Iterator[bytes]:
        """All objects of a kind, each as the body of its message."""
        self._sequence += 1
        flags = NLM_F_REQUEST | NLM_F_DUMP
        self._socket.send(_HEADER.pack(16 + len(body), kind, flags, self._sequence, 0) + body)
        while True:
            for answer, sequence, content in _split(self._socket.recv(1 << 18)):
                if sequence != self._sequence:
                    continue
                if answer == NLMSG_DONE:
                    return
                if answer == NLMSG_ERROR:
                    error = _error(content)
                    if error:
                        raise error
                    return
                yield content


def _split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """A datagram's messages as (type, sequence, body)."""
    offset = 0
    while offset + 16 <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
        yield kind, sequence, data[offset + 16 : offset + length]
        offset += (length + 3) & ~3


def _error(body: bytes) -> OSError | None:
    code = -int(struct.unpack_from("=i", body)[0])
    if not code:
        return None
    said = attributes(body[20:]).get(1, b"").rstrip(b"\0").decode(errors="replace")  # NLMSGERR_ATTR_MSG
    return OSError(code, said or os.strerror(code))


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in `data`, by their kind without its flags."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found

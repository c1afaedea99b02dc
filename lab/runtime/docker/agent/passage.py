"""Whether packets pass inside a segment: bridged ones may meet the filters of the Engine's machine, and be dropped.

An Engine since 27 drops all that is forwarded by IPv6 once any of its networks had that, but for its IPv6 networks.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from typing import Any

from lab.runtime.docker.agent.nodes import Node

_LIMIT, _AGAIN = 3.0, 0.2  # seconds for a packet to arrive, and to the next try
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_FOR_EXPERIMENTS = 253  # RFC 3692 section 2.1: a protocol that no stack knows
_NO_NEXT_HEADER = 59  # RFC 8200 section 4.7: nothing follows that a stack need look at

End = tuple[Node, dict[str, Any]]  # a node, and its interface in the plan
Enter = Callable[[Node], AbstractContextManager[None]]


@dataclass
class _Way:
    """From one node to another of a segment, by a version of IP."""

    network: str
    version: int
    sender: socket.socket
    receiver: socket.socket
    frame: bytes


def blocked(nodes: Iterable[Node], enter: Enter) -> list[tuple[str, int]]:
    """The networks and versions of IP of which no packet gets from one node to another within 3 s.

    `enter` has the calling process be in the network of a node for a moment. Raises OSError.
    """
    members: dict[str, list[End]] = {}
    for node in nodes:
        for interface in node.plan["interfaces"]:
            members.setdefault(interface["network"], []).append((node, interface))
    with contextlib.ExitStack() as opened:
        waiting = [way for network, ends in members.items() for way in _ways(network, ends, enter, opened)]
        deadline = time.monotonic() + _LIMIT
        while waiting and time.monotonic() < deadline:
            for way in waiting:
                way.sender.send(way.frame)
            waiting = _still_waiting(waiting, time.monotonic() + _AGAIN)
    return [(way.network, way.version) for way in waiting]


def _ways(network: str, ends: list[End], enter: Enter, opened: contextlib.ExitStack) -> Iterator[_Way]:
    """One for each version of IP that is spoken there, where there is anybody to hear it."""
    for version, ethertype in _ETHERTYPES.items():
        speakers = (
            (end, address)
            for end in ends
            for address in map(ip_interface, end[1]["addresses"])
            if address.version == version
        )
        speaker, address = next(speakers, (None, None))
        listener = next((end for end in ends if end is not speaker), None)
        if speaker is None or address is None or listener is None:
            continue
        with enter(speaker[0]):
            sender = opened.enter_context(_packet_socket(speaker[1]["name"], 0))
        with enter(listener[0]):
            receiver = opened.enter_context(_packet_socket(listener[1]["name"], ethertype))
        yield _Way(network, version, sender, receiver, _frame(speaker[1]["mac"], address))


def _packet_socket(interface: str, ethertype: int) -> socket.socket:
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    made.bind((interface, ethertype))
    return made


def _still_waiting(ways: list[_Way], until: float) -> list[_Way]:
    """Those whose packet has not arrived by then."""
    waiting = {way.receiver.fileno(): way for way in ways}
    poll = select.poll()
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while waiting and (left := until - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            if waiting[fd].receiver.recv(2048).startswith(waiting[fd].frame):
                poll.unregister(fd)
                del waiting[fd]
    return list(waiting.values())


def _frame(mac: str, source: IPv4Interface | IPv6Interface) -> bytes:
    """An Ethernet frame to all nodes of a segment (RFC 1112 sections 4 and 6.4, RFC 4291 section 2.7.1)."""
    mark = os.urandom(16)
    if isinstance(source, IPv4Interface):
        to, group = bytes.fromhex("01005e000001"), bytes((224, 0, 0, 1))
        fields = (0x45, 0, 20 + len(mark), 0, 0, 1, _FOR_EXPERIMENTS)
        head = struct.pack(">BBHHHBBH4s4s", *fields, 0, source.ip.packed, group)
        checksum = 0xFFFF - int.from_bytes(head, "big") % 0xFFFF  # RFC 791 section 3.1
        head = struct.pack(">BBHHHBBH4s4s", *fields, checksum, source.ip.packed, group)
    else:
        to, group = bytes.fromhex("333300000001"), bytes.fromhex("ff020000000000000000000000000001")
        head = struct.pack(">IHBB16s16s", 6 << 28, len(mark), _NO_NEXT_HEADER, 1, source.ip.packed, group)
    ethertype = struct.pack(">H", _ETHERTYPES[source.version])
    return to + bytes.fromhex(mac.replace(":", "")) + ethertype + head + mark

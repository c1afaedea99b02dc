"""The floor for a star of N hosts: bare netlink messages, one after the other, in one process in fresh namespaces.

Independent of the code that it is held against. What it builds: a bridge, N network namespaces, a veth pair each,
loopback and interface up, one address each. It leaves out what a lab has beyond that (sysctls, offloads, routes).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
NEWUSER, NEWNET, NEWPID, NEWNS = 0x10000000, 0x40000000, 0x20000000, 0x20000


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)


def request(netlink: socket.socket, kind: int, flags: int, body: bytes) -> None:
    netlink.send(struct.pack("=IHHII", 16 + len(body), kind, flags | 5, 1, 0) + body)
    answer = netlink.recv(65536)
    code = struct.unpack_from("=i", answer, 16)[0]
    if code:
        raise OSError(-code, os.strerror(-code))


def link(index: int, attributes: bytes, up: int) -> bytes:
    return struct.pack("=BxHiII", 0, 0, index, up, up) + attributes


def star(hosts: int) -> float:
    """Seconds to build it."""
    started = time.perf_counter()
    if LIBC.unshare(NEWUSER | NEWNET | NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    kind = attribute(1, b"bridge\0")
    request(netlink, 16, 0x600, link(2, attribute(3, b"br0\0") + attribute(18, kind), 1))
    namespaces, sockets = [], []
    for _ in range(hosts):
        LIBC.unshare(NEWNET)
        namespaces.append(os.open("/proc/self/ns/net", os.O_RDONLY))
        sockets.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0))
    LIBC.setns(home, NEWNET)
    for number, (namespace, inside) in enumerate(zip(namespaces, sockets, strict=True), 1):
        peer = link(2, attribute(3, b"eth0\0") + attribute(28, struct.pack("=I", namespace)), 0)
        kind = attribute(1, b"veth\0") + attribute(2, attribute(1, peer))
        port = attribute(3, f"p{number}\0".encode()) + attribute(10, struct.pack("=I", 2)) + attribute(18, kind)
        request(netlink, 16, 0x600, link(0, port, 1))
        request(inside, 16, 0, link(1, b"", 1))
        request(inside, 16, 0, link(2, b"", 1))
        address = struct.pack("!I", 0x0A000000 + number)
        body = struct.pack("=BBBBI", socket.AF_INET, 16, 0, 0, 2) + attribute(2, address) + attribute(1, address)
        request(inside, 20, 0x600, body)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(star(int(sys.argv[1])))

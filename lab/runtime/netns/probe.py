"""One try to reach an address from the node that the calling process is in: our own, after the programs are done."""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from ipaddress import ip_address
from typing import Any

_IP_RECVERR, _IPV6_RECVERR = 11, 25
_ERROR_ANSWERS = {
    errno.ECONNREFUSED: "refused",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "silence",
}


def probe(to: str, protocol: str, port: int | None, timeout: float) -> dict[str, Any]:
    """Try by ICMP echo, a TCP connection or a UDP datagram; the result has `sent`, `answer` and `error`."""
    family = socket.AF_INET if ip_address(to).version == 4 else socket.AF_INET6
    try:
        if protocol == "tcp":
            return _tcp(family, to, port or 0, timeout)
        return _datagram(family, to, protocol, port or 0, timeout)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        answer = _ERROR_ANSWERS.get(error.errno or 0)
        # An answer of the kernel (no route, say) is proof that it was tried; a failure of ours is none.
        return {"sent": 1 if answer else 0, "answer": answer or "silence", "error": name}


def _tcp(family: int, to: str, port: int, timeout: float) -> dict[str, Any]:
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        tried.settimeout(timeout)
        try:
            tried.connect((to, port))
        except TimeoutError:
            return {"sent": 1, "answer": "silence", "error": "ETIMEDOUT"}
        return {"sent": 1, "answer": "reply", "error": ""}


def _datagram(family: int, to: str, protocol: str, port: int, timeout: float) -> dict[str, Any]:
    """Three tries within the time; an ICMP echo answers itself, a UDP port only if its program does."""
    if protocol == "icmp":
        number = socket.IPPROTO_ICMP if family == socket.AF_INET else socket.IPPROTO_ICMPV6
        tried = socket.socket(family, socket.SOCK_RAW, number)
    else:
        tried = socket.socket(family, socket.SOCK_DGRAM)
    identifier = os.getpid() & 0xFFFF
    tries = 3
    with tried:
        # Else an ICMP error about our request would stay with the kernel.
        level, option = (
            (socket.IPPROTO_IP, _IP_RECVERR) if family == socket.AF_INET else (socket.IPPROTO_IPV6, _IPV6_RECVERR)
        )
        tried.setsockopt(level, option, 1)
        tried.connect((to, port))
        for sequence in range(1, tries + 1):
            tried.send(_echo(family, identifier, sequence) if protocol == "icmp" else b"lab")
            if _answered(tried, family, protocol, identifier, timeout / tries):
                return {"sent": sequence, "answer": "reply", "error": ""}
    return {"sent": tries, "answer": "silence", "error": ""}


def _answered(tried: socket.socket, family: int, protocol: str, identifier: int, timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([tried], [], [], left)[0]:
            return False
        data = tried.recv(2048)
        if protocol != "icmp":
            return True
        reply = data[(data[0] & 15) * 4 :] if family == socket.AF_INET else data
        wanted = 0 if family == socket.AF_INET else 129
        if reply[0] == wanted and struct.unpack_from("!H", reply, 4)[0] == identifier:
            return True
    return False


def _echo(family: int, identifier: int, sequence: int) -> bytes:
    """An echo request; the kernel fills in ICMPv6's checksum, for IPv4 it is ours to make."""
    kind = 8 if family == socket.AF_INET else 128
    body = struct.pack("!HH", identifier, sequence) + b"lab probe"
    padded = bytes([kind, 0, 0, 0]) + body + b"\0" * (len(body) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    total = (total & 0xFFFF) + (total >> 16)
    total = (total & 0xFFFF) + (total >> 16)
    return bytes([kind, 0]) + struct.pack("!H", ~total & 0xFFFF) + body

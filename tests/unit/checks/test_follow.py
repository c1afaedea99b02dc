"""ICMP errors of either family are tied to the packet that they quote."""

import struct

import pytest
from doctored import Story

from lab.checks.follow import errors_about, no_route, ttl_ran_out
from lab.evidence import Capture, Evidence
from lab.trace.packets import Packet, decode

SOURCE, TARGET, ROUTER = (bytes([0xFD, *bytes(14), last]) for last in (2, 128, 1))


def six(src: bytes, dst: bytes, protocol: int, body: bytes) -> bytes:
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + src + dst + body


def frame(number: int, packet: bytes) -> Packet:
    data = bytes(12) + b"\x86\xdd" + packet
    return decode(number, 0, len(data), data)


def evidence(kind: int, code: int, quote: bytes) -> tuple[Evidence, Packet]:
    sent = frame(1, six(SOURCE, TARGET, 17, struct.pack("!HHHH", 1, 2, 8, 0)))
    error = frame(2, six(ROUTER, SOURCE, 58, struct.pack("!BBHI", kind, code, 0, 0) + quote))
    made = Story().evidence()
    return Evidence(made.plan, made.exercise, {"client:eth0": Capture("client:eth0", (sent, error), 2)}, {}), sent


@pytest.mark.parametrize(
    ("kind", "code", "which"), [(1, 0, "route"), (1, 3, "route"), (3, 0, "ttl"), (1, 4, ""), (3, 1, ""), (128, 0, "")]
)
def test_icmpv6_errors(kind: int, code: int, which: str) -> None:
    made, sent = evidence(kind, code, six(SOURCE, TARGET, 17, bytes(8)))
    found = [error for _, error in errors_about(made, sent)]
    assert len(found) == bool(which)
    assert [no_route(error) for error in found] == [which == "route"] * len(found)
    assert [ttl_ran_out(error) for error in found] == [which == "ttl"] * len(found)


def test_another_packet_is_not_meant() -> None:
    made, sent = evidence(1, 0, six(SOURCE, ROUTER, 17, bytes(8)))
    assert not list(errors_about(made, sent))

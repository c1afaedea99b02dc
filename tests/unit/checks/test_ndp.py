"""Neighbour discovery: its messages, and the check `ndp` on who asked whom before the first packet."""

import random
import struct
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from doctored import Story, checksum

from lab.checks.base import Outcome, Verdict
from lab.checks.ndp import Ndp
from lab.evidence import Capture, Gap, StepResult
from lab.plan import make_plan
from lab.topology import parse_topology
from lab.trace.ndp import group_mac, neighbour, solicited_node
from lab.trace.packets import Packet, decode

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
PLAN = make_plan(parse_topology("""
name: two-lans
networks:
  lan: {subnet: ["fd00:1::/64", 10.0.1.0/24]}
  wan: {subnet: "fd00:2::/64"}
nodes:
  client: {role: client, interfaces: {eth0: {network: lan, address: ["fd00:1::10", 10.0.1.10]}}}
  other:  {role: host, interfaces: {eth0: {network: lan, address: ["fd00:1::11", 10.0.1.11]}}}
  r1:     {role: router, interfaces: {eth0: {network: lan, address: ["fd00:1::1", 10.0.1.1]}, eth1: wan}}
  server: {role: server, interfaces: {eth0: {network: wan, address: "fd00:2::80"}}}
""", "topology.yaml"))  # fmt: skip
CLIENT, ROUTER, OTHER, SERVER = "fd00:1::10", "fd00:1::1", "fd00:1::11", "fd00:2::80"
GROUP = "ff02::1:ff00:1"


def mac(point: str) -> bytes:
    return bytes.fromhex(PLAN.points[point].mac.replace(":", ""))


OURS, THEIRS = mac("client:eth0"), mac("r1:eth0")


def frame(src_mac: bytes, dst_mac: bytes, src: str, dst: str, body: bytes, protocol: int = 58, hops: int = 255,
          bad: int = 0) -> bytes:  # fmt: skip
    addresses = ip_address(src).packed + ip_address(dst).packed
    total = checksum(addresses + struct.pack("!II", len(body), protocol) + body) ^ bad
    at = 2 if protocol == 58 else 6
    body = body[:at] + struct.pack("!H", total) + body[at + 2 :]
    head = struct.pack("!IHBB", 0x6000_0000, len(body), protocol, hops)
    return dst_mac + src_mac + b"\x86\xdd" + head + addresses + body


def solicit(target: str = ROUTER, src: str = CLIENT, src_mac: bytes = OURS, dst: str | None = None,
            dst_mac: bytes | None = None, option: bytes | None = None, **fields: Any) -> bytes:  # fmt: skip
    raw = ip_address(target).packed
    group = str(ip_address(solicited_node(raw)))
    own = b"\1\1" + src_mac if option is None else option
    body = struct.pack("!BBHI", 135, fields.pop("code", 0), 0, 0) + raw + own
    to = dst or group
    return frame(src_mac, dst_mac or group_mac(ip_address(to).packed), src, to, body, **fields)


def advertise(target: str = ROUTER, src: str = ROUTER, src_mac: bytes = THEIRS, dst: str = CLIENT,
              dst_mac: bytes = OURS, told: bytes | None = None, flags: int = 0x60, **fields: Any) -> bytes:  # fmt: skip
    body = struct.pack("!BBHI", 136, 0, 0, flags << 24) + ip_address(target).packed + b"\2\1" + (told or src_mac)
    return frame(src_mac, dst_mac, src, dst, body, **fields)


def datagram(src_mac: bytes = OURS, dst_mac: bytes = THEIRS, src: str = CLIENT, dst: str = SERVER) -> bytes:
    return frame(src_mac, dst_mac, src, dst, struct.pack("!HHHH", 5, 6, 11, 0) + b"abc", 17, 64)


def packets(*frames: bytes) -> tuple[Packet, ...]:
    return tuple(decode(number, number * 1000, len(raw), raw) for number, raw in enumerate(frames, 1))


def judge(
    *frames: bytes, before: tuple[dict[str, str], ...] | None = (), next_hop: Any = "r1", **changes: Any
) -> Verdict:  # fmt: skip
    check = Ndp(node="client", next_hop=next_hop)
    told = {} if before is None else {"before": {"client": {"neighbours": list(before)}}}
    evidence = Story(plan=PLAN).evidence(check, states=told, **changes)
    if "client:eth0" in evidence.captures:
        seen = packets(*frames)
        here = {"client:eth0": Capture("client:eth0", seen, len(seen))}
        evidence = replace(evidence, captures={**evidence.captures, **here})
    return check.judge(evidence)


def kind(verdict: Verdict) -> str:
    assert verdict.outcome is F, verdict
    assert verdict.cause is not None
    return verdict.cause.kind


USUAL = (solicit(), advertise(), datagram())
TO_ALL: dict[str, Any] = {"dst": "ff02::1", "dst_mac": group_mac(ip_address("ff02::1").packed), "flags": 0x20}


def test_asked_answered_and_sent() -> None:
    verdict = judge(*USUAL)
    assert verdict.outcome is P
    assert verdict.seen == (
        f"client asked the group {GROUP} for r1; r1 answered {THEIRS.hex(':')}; then the first packet left"
    )
    assert [frame.number for frame in verdict.frames] == [1, 2, 3]
    assert judge(*USUAL, next_hop=ip_address(ROUTER)).outcome is P


def test_nobody_answers() -> None:
    assert judge(solicit()).seen == "client asked for r1 and no advertisement answered"


@pytest.mark.parametrize(
    "frames",
    [
        (solicit(OTHER, "::", mac("other:eth0"), option=b""), *USUAL),  # another looks for a duplicate of its address
        (solicit(CLIENT, "::", option=b""), *USUAL),
        (*USUAL, solicit(dst=ROUTER, dst_mac=THEIRS), advertise()),  # a repeat to the one node
        (solicit(), solicit(), advertise(), datagram()),
        (solicit(CLIENT, ROUTER, THEIRS), advertise(CLIENT, CLIENT, OURS, ROUTER, THEIRS), datagram()),
        (solicit(CLIENT, "fe80::1", THEIRS), *USUAL),
        (solicit(CLIENT, ROUTER, THEIRS, option=b""), *USUAL),
        (solicit(src="fe80::1"), advertise(dst="fe80::1"), datagram()),
        (solicit(), advertise(**TO_ALL), datagram(), advertise()),  # whoever waits learns from an announcement too
    ],
)
def test_what_is_right_too(frames: tuple[bytes, ...]) -> None:
    assert judge(*frames).outcome is P


def test_an_answer_that_did_not_come_may_have_been_late() -> None:
    assert judge(solicit()).timed
    assert not judge(solicit(), advertise()).timed
    ran_on = {"client": StepResult("client", "client", "killed")}
    assert judge(solicit(), advertise(), steps=ran_on).timed


@pytest.mark.parametrize(
    ("frames", "cause"),
    [
        ((), "no-packets"),
        ((solicit(),), "no-neighbour"),
        ((solicit(), advertise()), "no-packets"),
        ((solicit(), datagram(), advertise()), "wrong-mac"),
        ((advertise(**TO_ALL), solicit(), datagram(), advertise()), "wrong-mac"),
        ((datagram(),), "wrong-mac"),
        ((solicit(), advertise(flags=0x20), datagram()), "no-neighbour"),  # it answers nobody
        ((solicit(), advertise(told=mac("other:eth0")), datagram()), "wrong-mac"),
        ((solicit(), advertise(src=OTHER, src_mac=mac("other:eth0")), datagram()), "wrong-mac"),
        ((solicit(), advertise(hops=64), datagram()), "wrong-mac"),
        ((*USUAL, solicit(CLIENT, ROUTER, mac("other:eth0"))), "wrong-mac"),  # whoever asks tells its MAC
        ((*USUAL, solicit(CLIENT, ROUTER, THEIRS, option=b"\1\1" + mac("other:eth0"))), "wrong-mac"),
        ((solicit(hops=64), advertise(), datagram()), "wrong-mac"),
        ((solicit(code=1), advertise(), datagram()), "wrong-mac"),
        ((solicit(bad=1), advertise(), datagram()), "wrong-mac"),
        ((solicit(dst="ff02::1"), advertise(), datagram()), "wrong-mac"),
        ((solicit(dst_mac=b"\xff" * 6), advertise(), datagram()), "wrong-mac"),
        ((solicit(SERVER), *USUAL), "asked-off-link"),
        ((*USUAL, datagram(dst_mac=mac("other:eth0"))), "wrong-mac"),
        ((*USUAL, datagram(dst=OTHER)), "wrong-mac"),
        ((solicit(option=b"\1\0"), advertise(), datagram()), "wrong-mac"),
    ],
)
def test_what_is_wrong(frames: tuple[bytes, ...], cause: str) -> None:
    assert kind(judge(*frames)) == cause


def test_what_was_known_before() -> None:
    known = {"address": ROUTER, "mac": THEIRS.hex(":"), "state": "reachable"}
    assert judge(datagram(), before=(known,)).outcome is N
    assert kind(judge(datagram(), before=(known | {"state": "permanent"},))) == "wrong-mac"
    assert judge(datagram(), before=None).outcome is N


SECOND = "fd00:1::2"
TWO = make_plan(parse_topology("""
name: two-lans
networks:
  lan: {subnet: "fd00:1::/64"}
  wan: {subnet: "fd00:2::/64"}
nodes:
  client: {role: client, interfaces: {eth0: {network: lan, address: "fd00:1::10"}}}
  other:  {role: host, interfaces: {eth0: {network: lan, address: "fd00:1::11"}}}
  r1:     {role: router, interfaces: {eth0: {network: lan, address: ["fd00:1::1", "fd00:1::2"]}, eth1: wan}}
  server: {role: server, interfaces: {eth0: {network: wan, address: "fd00:2::80"}}}
""", "topology.yaml"))  # fmt: skip


@pytest.mark.parametrize(
    ("frames", "outcome"),
    [
        ((solicit(SECOND), advertise(SECOND, SECOND), datagram()), P),
        ((solicit(CLIENT, SECOND, THEIRS), advertise(CLIENT, CLIENT, OURS, SECOND, THEIRS), datagram()), P),
        (USUAL, P),
        ((solicit(SECOND), datagram(), advertise(SECOND, SECOND)), F),
        ((datagram(),), F),
    ],
)
def test_a_next_hop_is_asked_for_by_any_of_its_addresses(frames: tuple[bytes, ...], outcome: Outcome) -> None:
    verdict = judge(*frames, plan=TWO)
    assert verdict.outcome is outcome, verdict.seen


def test_gaps_and_what_cannot_be() -> None:
    assert judge(*USUAL, gaps=(Gap("drops", "client:eth0", "lab"),)).outcome is N
    assert judge(*USUAL, capture=("r1:eth0",), without=("client:eth0",)).outcome is N
    assert kind(judge(*USUAL, next_hop="server")) == "no-common-network"


def test_groups() -> None:
    assert str(ip_address(solicited_node(ip_address("fd00:1::12:3456").packed))) == "ff02::1:ff12:3456"
    assert group_mac(ip_address(GROUP).packed) == bytes.fromhex("3333ff000001")


@pytest.mark.parametrize(
    ("raw", "refusal"),
    [
        (solicit(), ""),
        (frame(OURS, THEIRS, CLIENT, ROUTER, struct.pack("!BBHI", 135, 0, 0, 0) + b"short"), "5 of 16 bytes"),
        (advertise(dst="ff02::1", dst_mac=group_mac(ip_address("ff02::1").packed)), "says that it answers one node"),
        (solicit(GROUP), "a group"),
        (solicit(src="::"), "comes from no address"),
        (solicit(option=b"\1\4" + bytes(6)), "beyond the end"),
        (solicit(option=b"\1"), "no length"),
    ],
)
def test_messages(raw: bytes, refusal: str) -> None:
    told = neighbour(packets(raw)[0])
    assert told is not None
    assert refusal in told.refusal
    assert bool(told.refusal) == bool(refusal)


def test_no_bytes_raise_anything() -> None:
    chance, found = random.Random(5), 0
    for _ in range(600):
        data = bytearray(chance.choice(USUAL[:2]))
        for _ in range(chance.randrange(5)):
            data[chance.randrange(14, len(data))] = chance.choice((0, 1, 2, 255, 135, 136, chance.randrange(256)))
        raw = bytes(data[: chance.randrange(len(data) + 1)] if chance.random() < 0.3 else data)
        told = neighbour(decode(1, 1, len(raw), raw))
        found += told is not None and not told.refusal
        judge(raw, *USUAL)
    assert found > 30

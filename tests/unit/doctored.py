"""A forger of evidence: a clean conversation on `two-lans`, seen at all four capture points, and knobs to spoil it."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any

from lab.checks.base import Check
from lab.evidence import Capture, Evidence, Mark, Probe, StepResult
from lab.exercise import Exercise, Graded, Ready, Step
from lab.plan import Plan, make_plan
from lab.topology import Topology, parse_topology
from lab.trace.packets import ACK, FIN, ICMP, PSH, RST, SYN, TCP, UDP, decode

TWO_LANS = """
name: two-lans
networks:
  lan: {subnet: 10.0.1.0/24}
  wan: {subnet: 10.0.2.0/24}
nodes:
  client: {role: client, interfaces: {eth0: lan}}
  other:  {role: host, interfaces: {eth0: lan}}
  r1:     {role: router, interfaces: {eth0: lan, eth1: wan}}
  server: {role: server, interfaces: {eth0: {network: wan, address: 10.0.2.80}}}
"""
PORT, SOURCE_PORT, CLIENT_ISN, SERVER_ISN = 7000, 40001, 0xFFFFFFFA, 7_000_000  # the client's numbers wrap
TEXT = b"hello\n"
BROADCAST = "ff:ff:ff:ff:ff:ff"


def two_lans() -> Topology:
    return parse_topology(TWO_LANS, "topology.yaml")


def checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Frame:
    """One frame at one capture point; `bad` names the checksum to spoil ("ip" or "tcp")."""

    name: str
    point: str
    src_mac: str
    dst_mac: str
    src: str
    dst: str
    protocol: int = TCP
    ttl: int = 64
    ident: int = 0
    sport: int = 0
    dport: int = 0
    seq: int = 0
    ack: int = 0
    flags: int = 0
    payload: bytes = b""
    window: int = 64240
    options: bytes = b""  # of TCP, whole words
    operation: int = 0  # of ARP: 1 or 2; the fields below are ARP's own
    sender_mac: str = ""
    target_mac: str = "00:00:00:00:00:00"
    bad: str = ""
    cut: int = 0  # bytes that the capture left out

    def raw(self) -> bytes:
        ethernet = bytes.fromhex((self.dst_mac + self.src_mac).replace(":", ""))
        src, dst = ip_address(self.src).packed, ip_address(self.dst).packed
        if self.operation:
            macs = [bytes.fromhex(mac.replace(":", "")) for mac in (self.sender_mac or self.src_mac, self.target_mac)]
            arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, self.operation, macs[0], src, macs[1], dst)
            return ethernet + b"\x08\x06" + arp
        transport = self._transport(src, dst)
        words = 0x45, 0, 20 + len(transport), self.ident, 0x4000, self.ttl, self.protocol, 0
        head = struct.pack("!BBHHHBBH4s4s", *words, src, dst)
        total = checksum(head) ^ (1 if self.bad == "ip" else 0)
        return ethernet + b"\x08\x00" + head[:10] + struct.pack("!H", total) + head[12:] + transport

    def _transport(self, src: bytes, dst: bytes) -> bytes:
        if self.protocol == TCP:
            made = struct.pack(
                "!HHIIBBHHH", self.sport, self.dport, self.seq % 2**32, self.ack % 2**32,
                0x50 + (len(self.options) << 2), self.flags, self.window, 0, 0,
            ) + self.options  # fmt: skip
            at = 16
        elif self.protocol == UDP:
            made, at = struct.pack("!HHHH", self.sport, self.dport, 8 + len(self.payload), 0), 6
        elif self.protocol == ICMP:
            made, at = struct.pack("!BBHHH", self.sport, self.dport, 0, 0, 1), 2  # type and code stand in the ports
        else:
            return self.payload
        made += self.payload
        pseudo = b"" if self.protocol == ICMP else src + dst + struct.pack("!BBH", 0, self.protocol, len(made))
        total = checksum(pseudo + made) ^ (1 if self.bad == "tcp" else 0)
        return made[:at] + struct.pack("!H", total) + made[at + 2 :]


@dataclass(frozen=True)
class Part(Frame):
    """A fragment of an IPv4 packet: `part` of its transport's bytes, which begin at `offset`."""

    part: bytes = b""
    offset: int = 0
    more: bool = False

    def raw(self) -> bytes:
        made = bytearray(super().raw()[:34])
        made[16:18] = (20 + len(self.part)).to_bytes(2, "big")
        made[20:22] = ((0x2000 if self.more else 0) | self.offset // 8).to_bytes(2, "big")
        made[24:26] = b"\0\0"
        made[24:26] = checksum(bytes(made[14:34])).to_bytes(2, "big")
        return bytes(made) + self.part


@dataclass
class Story:
    """Frames in the order of time; knobs change it in place and return it."""

    plan: Plan = field(default_factory=lambda: make_plan(two_lans()))
    frames: list[Frame] = field(default_factory=list)
    idents: int = 100

    # -- telling --------------------------------------------------------------------------------------------------
    def mac(self, point: str) -> str:
        return self.plan.points[point].mac

    def address(self, node: str) -> str:
        return str(self.plan.by_name[node].interfaces[0].addresses[0].ip)

    def arp(self, asker: str, asked: str, name: str) -> Story:
        """A request seen by everyone on the segment, and its reply."""
        a, b = self.plan.points[asker], self.plan.points[asked]
        segment = [each.point for each in self.plan.interfaces if each.network == a.network]
        ours, theirs = str(a.addresses[0].ip), str(b.addresses[0].ip)
        for point in sorted(segment, key=lambda p: p != asker):
            self.frames.append(Frame(f"{name} request", point, a.mac, BROADCAST, ours, theirs, operation=1))
        for point in (asked, asker):
            self.frames.append(Frame(f"{name} reply", point, b.mac, a.mac, theirs, ours, operation=2, target_mac=a.mac))
        return self

    def send(self, name: str, way: tuple[str, ...], **fields: Any) -> Story:
        """A packet along capture points: pairs of sender's and receiver's interface, one pair a link."""
        self.idents += 1
        fields.setdefault("ident", self.idents)
        ttl = fields.pop("ttl", 64)
        for hop, (sender, receiver) in enumerate(zip(way[::2], way[1::2], strict=True)):
            for point in (sender, receiver):
                self.frames.append(
                    Frame(name, point, self.mac(sender), self.mac(receiver), ttl=ttl - hop, **fields)
                )
        return self

    def talk(
        self, source: str = "client", sport: int = SOURCE_PORT, isn: int = CLIENT_ISN, answer_isn: int = SERVER_ISN,
        asked: bytes = TEXT, answered: bytes = TEXT, prefix: str = "", port: int = PORT, closes: str = "client",
    ) -> Story:  # fmt: skip
        """Ten packets: handshake, a question and its acknowledgement, an answer and its, and the close in three.

        `closes` is who does so first: "client", "server", or "both" at once, in four.
        """
        there = (f"{source}:eth0", "r1:eth0", "r1:eth1", "server:eth0")
        ours, theirs = self.address(source), self.address("server")
        x, y = isn + 1, answer_isn + 1

        def go(name: str, seq: int, ack: int, flags: int, payload: bytes = b"") -> None:
            ends = {"src": ours, "dst": theirs, "sport": sport, "dport": port}
            self.send(prefix + name, there, seq=seq, ack=ack, flags=flags, payload=payload, **ends)

        def back(name: str, seq: int, ack: int, flags: int, payload: bytes = b"") -> None:
            ends = {"src": theirs, "dst": ours, "sport": port, "dport": sport}
            self.send(prefix + name, there[::-1], seq=seq, ack=ack, flags=flags, payload=payload, **ends)

        n, m = len(asked), len(answered)
        go("syn", isn, 0, SYN)
        back("syn-ack", answer_isn, x, SYN | ACK)
        go("ack", x, y, ACK)
        go("question", x, y, PSH | ACK, asked)
        back("question ack", y, x + n, ACK)
        back("answer", y, x + n, PSH | ACK, answered)
        go("answer ack", x + n, y + m, ACK)
        if closes == "server":
            back("server fin", y + m, x + n, FIN | ACK)
            go("client fin", x + n, y + m + 1, FIN | ACK)
            back("last ack", y + m + 1, x + n + 1, ACK)
            return self
        go("client fin", x + n, y + m, FIN | ACK)
        back("server fin", y + m, x + n + (closes == "client"), FIN | ACK)
        if closes == "both":
            back("other ack", y + m + 1, x + n + 1, ACK)
        go("last ack", x + n + 1, y + m + 1, ACK)
        return self

    # -- spoiling -------------------------------------------------------------------------------------------------
    def _meant(self, frame: Frame, name: str, points: tuple[str, ...]) -> bool:
        return frame.name == name and (not points or frame.point in points)

    def drop(self, *names: str, at: tuple[str, ...] = ()) -> Story:
        before = len(self.frames)
        self.frames = [f for f in self.frames if not any(self._meant(f, name, at) for name in names)]
        assert len(self.frames) < before, f"nothing is called {names}"
        return self

    def alter(self, name: str, at: tuple[str, ...] = (), **fields: Any) -> Story:
        assert any(self._meant(f, name, at) for f in self.frames), f"nothing is called {name} at {at}"
        self.frames = [replace(f, **fields) if self._meant(f, name, at) else f for f in self.frames]
        return self

    def double(self, name: str, at: tuple[str, ...] = ()) -> Story:
        self.frames = [f for frame in self.frames for f in [frame] * (2 if self._meant(frame, name, at) else 1)]
        return self

    def later(self, name: str, after: str, at: tuple[str, ...] = ()) -> Story:
        """Move a packet behind another one, at each point."""
        for point in at or tuple(self.plan.points):
            moved = [f for f in self.frames if self._meant(f, name, (point,))]
            targets = [f for f in self.frames if self._meant(f, after, (point,))]
            if moved and targets:
                self.frames = [f for f in self.frames if f not in moved]
                at_index = self.frames.index(targets[-1]) + 1
                self.frames[at_index:at_index] = moved
        return self

    def cut_after(self, name: str) -> Story:
        """Nothing came after this packet's last sighting."""
        last = max(i for i, f in enumerate(self.frames) if f.name == name)
        self.frames = self.frames[: last + 1]
        return self

    def nat(self, address: str = "10.0.2.1") -> Story:
        """r1 puts its own address in place of the client's, beyond it."""
        beyond = ("r1:eth1", "server:eth0")
        ours = self.address("client")
        self.frames = [
            replace(f, src=address) if f.point in beyond and f.src == ours and not f.operation
            else replace(f, dst=address) if f.point in beyond and f.dst == ours and not f.operation
            else f
            for f in self.frames
        ]  # fmt: skip
        return self

    # -- evidence -------------------------------------------------------------------------------------------------
    def captures(self, end: dict[str, int] | None = None) -> dict[str, Capture]:
        made = {}
        for point in self.plan.points:
            here = [(i, f) for i, f in enumerate(self.frames) if f.point == point]
            packets = tuple(
                decode(n, 1_000 * i, len(f.raw()), f.raw()[: len(f.raw()) - f.cut]) for n, (i, f) in enumerate(here, 1)
            )
            made[point] = Capture(point, packets, (end or {}).get(point, len(packets)))
        return made

    def counts(self, until: str | None = None) -> dict[str, int]:
        """How many frames each point had seen before the first sighting of a packet, or in all."""
        limit = len(self.frames) if until is None else next(i for i, f in enumerate(self.frames) if f.name == until)
        return {p: sum(f.point == p for f in self.frames[:limit]) for p in self.plan.points}

    def evidence(self, *checks: Graded | Check, **changes: Any) -> Evidence:
        """Evidence of an echo exercise with these checks; keyword arguments replace its parts."""
        end = changes.pop("end", None)
        graded = tuple(c if isinstance(c, Graded) else Graded(f"c{i}", c) for i, c in enumerate(checks))
        exercise = Exercise(
            name="tcp-echo",
            topology=two_lans(),
            steps=changes.pop("exercise_steps", STEPS),
            checks=graded,
            capture=changes.pop("capture", None),
        )
        captures = self.captures(end)
        for point in changes.pop("without", ()):
            del captures[point]
        parts: dict[str, Any] = {
            "plan": self.plan,
            "exercise": exercise,
            "captures": captures,
            "steps": dict(RESULTS),
            "marks": (Mark("end", {p: c.end for p, c in captures.items()}),),
            "states": states(),
            "manifest": {},
        }
        return Evidence(**(parts | changes))


STEPS = (
    Step("server", "server", ("python3", "server.py"), "submission", background=True, ready=Ready(5.0, tcp=PORT)),
    Step("client", "client", ("python3", "client.py"), ("client.py",)),
)
RESULTS = {
    "server": StepResult("server", "server", "killed", ready=True, started=1, finished=9),
    "client": StepResult("client", "client", "exited", exit_code=0, started=2, finished=8, stdout=b"hello\n"),
}


def result(name: str, **changes: Any) -> dict[str, StepResult]:
    """The results of a clean run with one of them changed."""
    return RESULTS | {name: replace(RESULTS[name], **changes)}


def states(
    listening: tuple[str, int] | None = ("0.0.0.0", PORT),
    protocol: str = "tcp",
    neighbours: tuple[dict[str, str], ...] = (),
) -> dict[str, Any]:
    """What the kernel said: the client's neighbour table before, a listener on the server after."""

    def sockets(node: str) -> list[dict[str, Any]]:
        if node != "server" or listening is None:
            return []
        state = "LISTEN" if protocol == "tcp" else "OPEN"
        return [{"protocol": protocol, "family": 4, "state": state, "local": listening[0], "port": listening[1],
                 "peer": "0.0.0.0", "peer_port": 0}]  # fmt: skip

    nodes = ("client", "other", "r1", "server")
    ranges = {"net.ipv4.ip_local_port_range": "32768 60999"}
    before: dict[str, Any] = {n: {"neighbours": [], "sysctls": ranges, "sockets": []} for n in nodes}
    before["client"]["neighbours"] = list(neighbours)
    later = {n: {"neighbours": [], "sysctls": ranges, "sockets": sockets(n)} for n in nodes}
    return {"before": before, "after": later, "settled": later}


def clean() -> Story:
    """ARP on both segments, and a whole conversation."""
    story = Story()
    story.arp("client:eth0", "r1:eth0", "arp")
    story.arp("r1:eth1", "server:eth0", "far arp")
    return story.talk()


def refused() -> Story:
    """A SYN that is answered by RST."""
    story = clean().cut_after("syn")
    there = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
    return story.send(
        "rst", there[::-1], src=story.address("server"), dst=story.address("client"), sport=PORT, dport=SOURCE_PORT,
        seq=0, ack=CLIENT_ISN + 1, flags=RST | ACK, ident=0,
    )  # fmt: skip


def probe(answer: str, **changes: Any) -> Probe:
    """An answer to our own probe from client to server."""
    ends = {"check": "reached", "node": "client", "to": "10.0.2.80", "protocol": "icmp", "port": None}
    return Probe(**(ends | {"sent": 1, "answer": answer} | changes))

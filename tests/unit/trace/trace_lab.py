"""A client, a router and a server, their plan and what their four capture points would see."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_interface, ip_network

from trace_forge import CLIENT, SERVER, arp, ethernet, ip, ipv4, mac

from lab.plan import Plan, PlannedInterface, PlannedNetwork, PlannedNode
from lab.trace.packets import Packet, decode

MACS = {
    "client:eth0": "02:00:00:00:01:0a",
    "r1:eth0": "02:00:00:00:01:01",
    "r1:eth1": "02:00:00:00:02:01",
    "server:eth0": "02:00:00:00:02:50",
}
ADDRESSES = {"client:eth0": CLIENT, "r1:eth0": "10.0.1.1", "r1:eth1": "10.0.2.1", "server:eth0": SERVER}
LINKS = {"lan": ("client:eth0", "r1:eth0"), "wan": ("r1:eth1", "server:eth0")}
Change = Callable[[int, int, bytes], "bytes | None"]


def planned() -> Plan:
    network = {point: name for name, points in LINKS.items() for point in points}
    interfaces = {}
    for point, text in MACS.items():
        node, _, name = point.partition(":")
        own = (ip_interface(f"{ADDRESSES[point]}/24"),)
        interfaces.setdefault(node, []).append(PlannedInterface(node, name, network[point], text, own, 1500))
    roles = {"client": "client", "r1": "router", "server": "server"}
    nodes = tuple(PlannedNode(node, roles[node], tuple(own), (), (), ()) for node, own in interfaces.items())
    networks = (
        PlannedNetwork("lan", (ip_network("10.0.1.0/24"),), 1500),
        PlannedNetwork("wan", (ip_network("10.0.2.0/24"),), 1500),
    )
    return Plan("two-lans", networks, nodes)


class Wire:
    """The captures of all points; what is sent on a link is seen at both its ends."""

    def __init__(self) -> None:
        self.captures: dict[str, list[Packet]] = {point: [] for point in MACS}
        self.now = 0

    def see(self, points: tuple[str, ...], frame: bytes) -> None:
        for point in points:
            self.now += 1000
            seen = self.captures[point]
            seen.append(decode(len(seen) + 1, self.now, len(frame), frame))

    def ask(self, link: str, asker: int = 0) -> Wire:
        """ARP request and reply between the two ends of a link."""
        one, two = LINKS[link] if not asker else LINKS[link][::-1]
        ask = arp(1, ADDRESSES[one], ADDRESSES[two], MACS[one])
        answer = arp(2, ADDRESSES[two], ADDRESSES[one], MACS[two], MACS[one])
        self.see((one, two), ethernet(ask, 0x0806, MACS[one], "ff:ff:ff:ff:ff:ff"))
        self.see((two, one), ethernet(answer, 0x0806, MACS[two], MACS[one]))
        return self

    def carry(self, frames: list[tuple[int, bytes]], change: Change | None = None) -> Wire:
        """Forward IP packets; `change` may alter the frame on link 0 or 1 of packet n, or lose it there (None)."""
        for number, (_, frame) in enumerate(frames):
            payload, ttl, towards_server = frame[34:], frame[22], frame[30:34] == ip(SERVER)
            way = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
            way = way if towards_server else way[::-1]
            for link, (sender, receiver) in enumerate((way[:2], way[2:])):
                src, dst = (CLIENT, SERVER) if towards_server else (SERVER, CLIENT)
                ident = int.from_bytes(frame[18:20], "big")
                packet = ipv4(payload, frame[23], src, dst, ttl - link, ident)
                sent = mac(MACS[receiver]) + mac(MACS[sender]) + b"\x08\x00" + packet
                arrived = change(number, link, sent) if change else sent
                self.see((sender,), sent)
                if arrived is None:
                    break
                self.see((receiver,), arrived)
        return self

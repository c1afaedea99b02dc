"""Every packet that a node sent or got, in its order, with the place where it lies."""

from __future__ import annotations

from collections.abc import Callable

from lab.checks.base import FrameRef
from lab.checks.connections import counted, points_of
from lab.checks.names import addresses_of, interfaces_of, mac_bytes
from lab.evidence import Evidence
from lab.trace.fragments import Reassembly
from lab.trace.packets import TCP, UDP, Packet

Sighted = tuple[FrameRef, Packet]


def at_node(evidence: Evidence, node: str, *, passing: bool = False) -> list[Sighted]:
    """The packets at a node's interfaces up to the end mark, without what the kernel says for an ended program.

    What its receiver would drop for a wrong checksum is left out, with `passing` what a router would, which looks at
    the IP header's alone; and what another sends in its name, which comes by where it is flooded. Between several
    interfaces of one node the order is that of their times, which one kernel stamped.
    """
    points = [point for point in points_of(evidence, node) if point in evidence.captures]
    forged = in_its_name(evidence, node)
    found: list[Sighted] = []
    for point in points:
        kept = {packet.number for packet in counted(evidence, point)}
        for packet in evidence.captures[point].judged:
            sound = packet.ip_checksum_ok is not False and (passing or packet.checksum_ok is not False)
            if (
                sound
                and packet.refusal is None
                and not forged(packet)
                and (packet.protocol != TCP or packet.number in kept)
            ):
                found.append((FrameRef(point, packet.number), packet))
    if len(points) > 1:
        found.sort(key=lambda each: each[1].time)
    return found


def in_its_name(evidence: Evidence, node: str) -> Callable[[Packet], bool]:
    """A test whether a packet bears an address of the node and not its MAC.

    On a captured node no program has the privilege to do that. Which MACs a topology's own commands gave it, and what
    captures that were handed in come from, is not known: there only another node's MAC tells.
    """
    own = addresses_of(evidence.plan, node)
    macs = {mac_bytes(each.mac) for each in interfaces_of(evidence.plan, node)}
    others = {mac_bytes(each.mac) for each in evidence.plan.interfaces if each.node != node}
    known = evidence.plan.by_name.get(node)
    sure = not evidence.exercise.unverified and known is not None and not known.setup

    def forged(packet: Packet) -> bool:
        mac = packet.src_mac
        return mac not in macs and packet.src in own and bool(mac) and (sure or mac in others)

    return forged


def whole(sighted: list[Sighted]) -> list[Sighted]:
    """The same, a fragmented packet where its last fragment lies, if it is whole and right."""
    reassembly = Reassembly()
    found: list[Sighted] = []
    for ref, packet in sighted:
        if not (packet.more_fragments or packet.fragment_offset):
            found.append((ref, packet))
        elif (put_together := reassembly.add(packet)) is not None and put_together.checksum_ok is not False:
            found.append((ref, put_together))
    return found


def datagrams(sighted: list[Sighted]) -> list[Sighted]:
    """The UDP datagrams among them."""
    return [each for each in sighted if each[1].protocol == UDP]

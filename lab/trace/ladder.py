"""A conversation drawn as a ladder: nodes as columns, one arrow a frame and link, time running down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from lab.trace.flows import Conversation, Segment, tcp_conversations
from lab.trace.numbers import ACK, FIN, ICMP, ICMPV6, RST, SYN, TCP, UDP
from lab.trace.packets import Packet, address, flags_text, mac_text, quoted
from lab.trace.path import Crossing, Paths
from lab.trace.words import summary

if TYPE_CHECKING:
    from lab.plan import Plan

_MASK = 0xFFFF_FFFF
_STYLES = {ICMP: "icmp", ICMPV6: "icmp", UDP: "udp"}
_TROUBLE = {"retransmission", "fast-retransmission", "spurious-retransmission", "out-of-order", "lost-before"}


class Line(NamedTuple):
    """A line of text and what it shows: "header", "arp", "syn", "ack", "data", "fin", "reset", "icmp", "udp" or
    "other"; "problem" for a frame that was lost or repeated."""

    style: str
    text: str


@dataclass(frozen=True)
class _Arrow:
    """One frame on one link, ready to be drawn."""

    point: str
    sender: str
    receivers: tuple[str, ...]
    label: str
    style: str
    lost: bool


def ladder(
    captures: Mapping[str, Sequence[Packet]],
    plan: Plan | None = None,
    conversation: Conversation | None = None,
    *,
    width: int = 100,
    limit: int = 400,
) -> list[Line]:
    """Draw a conversation, with the ARP around it and the ICMP about it; everything, if none is given.

    `captures` are the judged packets by capture point. With a plan a packet is one arrow on each of its links, in
    causal order; without one the columns are addresses, and only the first capture point that saw the conversation
    is drawn. At most `limit` arrows of at most `width` characters; sequence numbers are relative, as in Wireshark.
    """
    if plan is None:
        captures = _one_point(captures, conversation)
    macs = {point: bytes.fromhex(each.mac.replace(":", "")) for point, each in plan.points.items()} if plan else {}
    paths = Paths(captures, macs)
    known = {
        id(segment.packet): (talk, segment)
        for packets in captures.values()
        for talk in tcp_conversations(packets)
        for segment in talk.segments
    }
    wanted = [each for each in paths.in_order() if _belongs(each.packet, conversation, known)]
    arrows = [_arrow(each, plan, captures, known) for each in wanted]
    if conversation is not None:
        arrows = _without_bystanders(arrows)
    if not arrows:
        return [Line("other", "no frame to show")]
    lines = _draw(arrows[:limit], _columns(arrows[:limit], plan, conversation), width)
    if len(arrows) > limit:
        lines.append(Line("other", f"… and {len(arrows) - limit} more frames"))
    return lines


_Known = Mapping[int, tuple[Conversation, Segment]]


def _one_point(captures: Mapping[str, Sequence[Packet]], talk: Conversation | None) -> dict[str, Sequence[Packet]]:
    own = {id(packet) for packet in talk.packets} if talk else set()
    for point, packets in captures.items():
        if not talk or any(id(packet) in own for packet in packets):
            return {point: packets}
    return {}


def _belongs(packet: Packet, conversation: Conversation | None, known: _Known) -> bool:
    if conversation is None or packet.arp_operation:
        return True
    if packet.protocol == TCP and id(packet) in known:
        talk = known[id(packet)][0]
        reused = talk.client.isn != conversation.client.isn and None not in (talk.client.isn, conversation.client.isn)
        return _about(packet, conversation) and not reused
    subject = quoted(packet)
    return subject is not None and subject.version != 0 and _about(subject, conversation)


def _without_bystanders(arrows: Sequence[_Arrow]) -> list[_Arrow]:
    """Leave out the ARP of those who take no part otherwise."""
    part = {name for arrow in arrows if arrow.style != "arp" for name in (arrow.sender, *arrow.receivers)}
    return [
        arrow
        for arrow in arrows
        if arrow.style != "arp" or (arrow.sender in part and (len(arrow.receivers) > 1 or arrow.receivers[0] in part))
    ]


def _about(packet: Packet, conversation: Conversation) -> bool:
    """Whether its addresses and ports are the conversation's; a quoted packet may hold no more than its ports."""
    at = packet.transport_start
    ports = packet.data[at : at + 4]
    sides = [(side.address, side.port.to_bytes(2, "big")) for side in conversation.sides]
    (client, cport), (server, sport) = sides
    return (packet.src, packet.dst, ports) in ((client, server, cport + sport), (server, client, sport + cport))


def _arrow(crossing: Crossing, plan: Plan | None, captures: Mapping[str, Sequence[Packet]], known: _Known) -> _Arrow:
    packet = crossing.packet
    sender, receivers, lost = _ends(crossing, plan, captures)
    label, style = _label(packet, known.get(id(packet)))
    first = crossing.sightings[0]
    point = f"{first.point}#{packet.number}"
    return _Arrow(point, sender, receivers, f"{label} (lost)" if lost else label, "problem" if lost else style, lost)


def _ends(
    crossing: Crossing, plan: Plan | None, captures: Mapping[str, Sequence[Packet]]
) -> tuple[str, tuple[str, ...], bool]:
    """Who sent the frame, who got it, and whether it was lost on the way between two captured interfaces."""
    packet = crossing.packet
    if plan is None:
        if packet.arp_operation:
            return str(address(packet.arp_sender)), (str(address(packet.arp_target)),), False
        if packet.version:
            return str(address(packet.src)), (str(address(packet.dst)),), False
        return mac_text(packet.src_mac), (mac_text(packet.dst_mac),), False
    source, target = plan.macs.get(mac_text(packet.src_mac)), plan.macs.get(mac_text(packet.dst_mac))
    sender = source.node if source else mac_text(packet.src_mac)
    if target:
        lost = target.point in captures and source is not None and crossing.seen_at(target.point) is None
        return sender, (target.node,), lost
    if packet.dst_mac[:1] and packet.dst_mac[0] & 1 and source:  # the group bit: broadcast or multicast
        others = (each for each in plan.interfaces if each.network == source.network and each.node != sender)
        return sender, tuple(each.node for each in others), False
    return sender, (mac_text(packet.dst_mac),), False


def _label(packet: Packet, known: tuple[Conversation, Segment] | None) -> tuple[str, str]:
    if known is None:
        style = "arp" if packet.arp_operation else _STYLES.get(packet.protocol, "other")
        return summary(packet), "problem" if packet.refusal else style
    talk, segment = known
    flags = packet.flags
    text = f"{flags_text(flags) or 'no flag'} seq={segment.start + (0 if flags & SYN else 1)}"
    if flags & ACK:
        first = talk.peer(segment.side).first or 0
        text += f" ack={(packet.ack - first + 1) & _MASK}"
    if packet.payload_length:
        text += f" len={packet.payload_length}"
    kinds = segment.kinds - {"window-update"}
    if len(kinds) > 1:
        kinds -= {"retransmission"}
    if kinds:
        text += f" [{', '.join(sorted(kinds)).replace('-', ' ')}]"
    style = "reset" if flags & RST else "syn" if flags & SYN else "fin" if flags & FIN else "data"
    if style == "data" and not packet.payload_length:
        style = "ack"
    return text, "problem" if kinds & _TROUBLE else style


def _columns(arrows: Sequence[_Arrow], plan: Plan | None, conversation: Conversation | None) -> list[str]:
    """Who takes part: the client first, then whom its packets pass, the server last."""
    everyone = list(
        dict.fromkeys(
            name
            for arrow in arrows
            for name in (arrow.sender, *arrow.receivers[:2])
            if len(arrow.receivers) == 1 or name == arrow.sender
        )
    )
    first, last = everyone[0], ""
    if conversation is not None:
        first, last = (_name(side.address, plan) for side in conversation.sides)
    onward = {(arrow.sender, arrow.receivers[0]) for arrow in arrows if len(arrow.receivers) == 1}
    ordered = [first]
    while True:
        unseen = [name for name in everyone if name not in ordered and name != last]
        following = [name for name in unseen if (ordered[-1], name) in onward] or unseen
        if not following:
            break
        ordered.append(following[0])
    return [*ordered, last] if last in everyone and last != first else ordered


def _name(raw: bytes, plan: Plan | None) -> str:
    owner = plan.owners.get(address(raw)) if plan else None
    return owner.node if owner else str(address(raw))


def _draw(arrows: Sequence[_Arrow], columns: Sequence[str], width: int) -> list[Line]:
    gutter = max(len(arrow.point) for arrow in arrows) + 2
    left = gutter + len(columns[0]) // 2
    links = max(len(columns) - 1, 1)
    step = max((width - 1 - (len(columns[-1]) + 1) // 2 - left) // links, 12)
    at = {name: left + index * step for index, name in enumerate(columns)}
    right = left + step * links
    head = [" "] * (right + len(columns[-1]) + 1)
    for name, x in at.items():
        _write(head, max(gutter, x - len(name) // 2), name)
    lines = [Line("header", "".join(head).rstrip())]
    for arrow in arrows:
        lines += [Line(arrow.style, "".join(row).rstrip()) for row in _rows(arrow, at, right)]
    return lines


def _rows(arrow: _Arrow, at: Mapping[str, int], right: int) -> list[list[str]]:
    row = _empty(at, right)
    _write(row, 0, arrow.point)
    start = at[arrow.sender]
    ends = sorted({at[name] for name in arrow.receivers if name in at} - {start})
    # A broadcast goes to the outermost on either side; whoever stands between is passed.
    for end in {min([start, *ends]), max([start, *ends])} - {start}:
        low, high = sorted((start, end))
        row[low + 1 : high] = "─" * (high - low - 1)
        row[end - 1 if end > start else end + 1] = "✗" if arrow.lost else "▶" if end > start else "◀"
    low, high = min([start, *ends]), max([start, *ends])
    if len(ends) == 1 and len(arrow.label) + 6 <= high - low:
        _write(row, low + (3 if len(arrow.label) + 8 <= high - low else 2), f" {arrow.label} ")
        return [row]
    above = _empty(at, right)
    _write(above, min(low + 2, max(right - len(arrow.label), 0)), arrow.label)
    return [above, row]


def _empty(at: Mapping[str, int], right: int) -> list[str]:
    row = [" "] * (right + 1)
    for x in at.values():
        row[x] = "│"
    return row


def _write(row: list[str], at: int, text: str) -> None:
    row[at : at + len(text)] = text

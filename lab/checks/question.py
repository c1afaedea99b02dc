"""What a question about a TCP connection can ask for, and what the trace says to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from lab.checks.base import FrameRef
from lab.checks.connections import Connection, Seen
from lab.evidence import Evidence
from lab.trace.packets import FIN, SYN, Packet, mac_text

Kind = Literal["number", "milliseconds", "MAC", "node"]


@dataclass(frozen=True)
class Truth:
    """What the trace says: a whole number, a MAC or a node's name, or None where it shows none; and what shows it."""

    value: int | float | str | None
    frames: tuple[FrameRef, ...] = ()


@dataclass(frozen=True)
class Question:
    """One that can be asked: the kind of its answer, and how it is read off a connection."""

    kind: Kind
    read: Callable[[Evidence, Connection], Truth]
    at: Literal["client", "server"] | None = None  # the end whose frames alone tell, where one is


def _at_client(read: Callable[[Seen], tuple[int | float | None, tuple[Packet | None, ...]]]) -> Callable[
    [Evidence, Connection], Truth
]:  # fmt: skip
    def answer(_: Evidence, connection: Connection) -> Truth:
        view = connection.views[0]
        value, packets = read(view)
        return Truth(value, view.frames(*packets))

    return answer


def _closes_first(_: Evidence, connection: Connection) -> Truth:
    view = connection.views[0]
    side = view.first_to_close()
    if side is None:
        return Truth(None)
    return Truth("client" if side is view.client else "server", view.frames(side.fin))


def _mac(*, arriving: bool, sender: bool) -> Callable[[Evidence, Connection], Truth]:
    """A MAC of the SYN's frame: as it leaves the client, or as it arrives at the server."""

    def answer(_: Evidence, connection: Connection) -> Truth:
        view = connection.at_server if arriving else connection.at_client
        syn = view.conversation.syn if view else None
        if view is None or syn is None:
            return Truth(None)
        return Truth(mac_text(syn.src_mac if sender else syn.dst_mac), view.frames(syn))

    return answer


def _ttl(_: Evidence, connection: Connection) -> Truth:
    view = connection.at_server
    syn = view.conversation.syn if view else None
    return Truth(syn.ttl, view.frames(syn)) if view is not None and syn is not None else Truth(None)


def _round_trips(view: Seen) -> tuple[int, tuple[Packet | None, ...]]:
    """How often the client said something (SYN, bytes or FIN) and the server answered with something of its own."""
    turns: list[Packet] = []
    asked = False
    for segment in view.conversation.segments:
        packet = segment.packet
        if segment.kinds & {"retransmission", "spurious-retransmission", "fast-retransmission", "keep-alive"}:
            continue
        if not (packet.flags & (SYN | FIN) or packet.payload_length > 0):
            continue
        if segment.side is view.client:
            asked = True
        elif asked:
            turns.append(packet)
            asked = False
    return len(turns), tuple(turns)


QUESTIONS: Mapping[str, Question] = {
    "client_isn": Question("number", _at_client(lambda v: (v.client.isn, (v.client.syn,)))),
    "server_isn": Question("number", _at_client(lambda v: (v.server.isn, (v.conversation.syn_ack,)))),
    "client_port": Question("number", _at_client(lambda v: (v.client.port, (v.client.syn,)))),
    "server_port": Question("number", _at_client(lambda v: (v.server.port, (v.client.syn,)))),
    "client_bytes": Question("number", _at_client(lambda v: (len(v.client.stream), _with_bytes(v, client=True)))),
    "server_bytes": Question("number", _at_client(lambda v: (len(v.server.stream), _with_bytes(v, client=False)))),
    "packets": Question("number", _at_client(lambda v: (len(v.conversation.packets), (v.conversation.packets[0],)))),
    "round_trips": Question("number", _at_client(_round_trips)),
    "handshake_ms": Question("milliseconds", _at_client(lambda v: (
        v.conversation.rtt / 1e6 if v.conversation.syn_ack else None, (v.client.syn, v.conversation.syn_ack)))),
    "ttl_at_server": Question("number", _ttl, "server"),
    "closes_first": Question("node", _closes_first),
    "source_mac_at_client": Question("MAC", _mac(arriving=False, sender=True), "client"),
    "target_mac_at_client": Question("MAC", _mac(arriving=False, sender=False), "client"),
    "source_mac_at_server": Question("MAC", _mac(arriving=True, sender=True), "server"),
    "target_mac_at_server": Question("MAC", _mac(arriving=True, sender=False), "server"),
}  # fmt: skip


def _with_bytes(view: Seen, *, client: bool) -> tuple[Packet | None, ...]:
    side = view.client if client else view.server
    return tuple(segment.packet for segment in side.segments)


_COUNTED = r"([0-9][0-9 _,.']*?) ?(?:(?i:bytes?|octets?|packets?|segments?|round[ -]trips?|RTTs?)|B)"
_TIME = r"((?:[0-9]{1,9}(?:[.,][0-9]{0,30})?|[.,][0-9]{1,30})(?:[eE]-?[0-9]{1,2})?) ?([a-zµ\u03bc]*)"
_UNITS = {
    **dict.fromkeys(("", "ms", "msec", "millisecond", "milliseconds"), 1.0),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1e3),
    **dict.fromkeys(("us", "µs", "\u03bcs", "usec", "microsecond", "microseconds"), 1e-3),
}


def understood(kind: Kind, text: str) -> int | float | str | None:
    """An answer as a student writes it; None where it is none of this kind."""
    text = text.strip()
    match kind:
        case "number":
            counted = re.fullmatch(_COUNTED, text)
            text = counted[1] if counted else text
            plain = re.sub(r"(?<=[0-9])[ _,.'](?=[0-9]{3}(?![0-9]))", "", text)
            if re.fullmatch(r"-?[0-9]{1,18}", plain):
                return int(plain)
            return int(text, 16) if re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text) else None
        case "milliseconds":
            found = re.fullmatch(_TIME, text)
            if found is None or found[2] not in _UNITS:
                return None
            return float(found[1].replace(",", ".")) * _UNITS[found[2]]
        case "MAC":
            plain = "".join(f"{part:0>2}" for part in re.split("[:-]", text))
            if re.fullmatch(r"[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){5}", text):
                return mac_text(bytes.fromhex(plain))
            dotted = re.fullmatch(r"[0-9a-fA-F]{4}(\.?[0-9a-fA-F]{4}){2}", text)  # as some makers show and print it
            return mac_text(bytes.fromhex(text.replace(".", ""))) if dotted else None
    named = re.fullmatch(r"(?:(?i:the) )?([A-Za-z][A-Za-z0-9_-]*)\.?", text)
    return named[1].lower() if named else None

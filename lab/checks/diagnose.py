"""Why there is no connection: asked of the programs first, then of the packets."""

from __future__ import annotations

from dataclasses import dataclass

from lab.checks import causes
from lab.checks.base import Cause, Check, FrameRef
from lab.checks.connections import Connection, Found, Seen, points_of
from lab.checks.follow import errors_about, ttl_ran_out, unanswered_arp
from lab.checks.names import addresses_of, who
from lab.checks.programs import Blame, gone, listening, one_family, overdue, trouble, unfinished, unready
from lab.checks.routing import misrouted
from lab.evidence import Evidence
from lab.trace.packets import RST, SYN, UDP, Packet, flags_text


@dataclass(frozen=True)
class Fault:
    """What a check found wrong: in a sentence, why, the frames that show it, and whether it rests on a time limit."""

    seen: str
    cause: Cause | None
    frames: tuple[FrameRef, ...] = ()
    timed: bool = False


def no_connection(evidence: Evidence, found: Found, source: str, to: str, port: int) -> Fault:
    """Why no connection was established."""
    blame = trouble(evidence, [to, source], submitted=True)
    if blame is None and (cause := misrouted(evidence, source, to)):
        blame = Blame(cause)
    tries = [view for connection in found.connections for view in connection.views]
    refusal = next((view for view in tries if view.conversation.refused), None)
    if refusal is not None:
        frames = refusal.frames(refusal.conversation.syn, refusal.conversation.refused)
        seen = f"{to} refused the connection to port {port} (RST)"
        arriving = refusal.server.address
        if trouble(evidence, [to], submitted=True) is None and (early := gone(evidence, to)):
            blame = early  # a client that was refused for that may well have ended with an error
        blame = blame or listening(evidence, to, port, arriving) or trouble(evidence, [to], submitted=False)
        blame = blame or one_family(evidence, to, port, arriving)
        cause = blame.cause if blame else causes.refused(source, to, port)
        return Fault(seen, cause, frames, blame.timed if blame else unready(evidence, [to]))
    if found.connections:
        return _tried(evidence, found.connections[0], source, to, port, blame)
    return _not_tried(evidence, found, source, to, port, blame)


def _tried(evidence: Evidence, connection: Connection, source: str, to: str, port: int, blame: Blame | None) -> Fault:
    """A SYN, or what is left of a handshake, without success and without refusal."""
    view = connection.views[0]
    syn = view.client.syn
    if syn is None:
        first = view.conversation.packets[0]
        text = f"the connection from {source} to {to} has no SYN at {view.node}"
        return Fault(text, causes.bad_handshake(text), view.frames(first))
    for each in connection.views:
        if numbers := wrong_numbers(each, source, to):
            return numbers
    frames = view.frames(syn)
    answer = view.server.syn
    if answer is None:
        if blame is None:
            for packet in (syn, connection.at_server.server.syn if connection.at_server else None):
                if packet is not None and (fault := _lost(evidence, packet, source, to)):
                    return Fault(fault.seen, fault.cause, frames + fault.frames, fault.timed)
        blame = blame or listening(evidence, to, port) or trouble(evidence, [to], submitted=False)
        seen = f"{source} sent SYN to port {port} of {to}, and no answer came"
        return Fault(seen, blame.cause if blame else causes.silent(to, port), frames, blame is None or blame.timed)
    seen = f"{source} never confirmed the SYN-ACK of {to}"
    cause = blame.cause if blame else causes.bad_handshake(f"the third packet of the handshake of {source} is missing")
    return Fault(seen, cause, view.frames(syn, answer), timed=blame is None or blame.timed)


def _lost(evidence: Evidence, packet: Packet, source: str, to: str) -> Fault | None:
    """Where the network lost a packet of a handshake, as far as it says so."""
    sender, receiver = who(evidence.plan, packet.src), who(evidence.plan, packet.dst)
    name = "the SYN" if packet.flags & SYN and sender == source else "the answer"
    for ref, error in errors_about(evidence, packet):
        node = who(evidence.plan, error.src)
        if ttl_ran_out(error):
            return Fault(f"the TTL of {name} ran out at {node}", causes.loop(node), (ref,))
        if neighbour := unanswered_arp(evidence, node):
            return Fault(f"{name} did not arrive: {node} found no next hop",
                         causes.no_neighbour(node, neighbour[0]), (ref, neighbour[1]))  # fmt: skip
        if node != receiver:
            return Fault(f"{node} had no route for {name}", causes.no_route(node, receiver), (ref,))
    return None


def _not_tried(evidence: Evidence, found: Found, source: str, to: str, port: int, blame: Blame | None) -> Fault:
    """No SYN from the one node's address to the other's port."""
    strangers = [view for view in found.foreign if not _asked_from(evidence, view)]
    if strangers:
        view = strangers[0]
        origin = who(evidence.plan, view.client.address)
        return Fault(f"the only connection to port {port} of {to} came from {origin}",
                     causes.other_source(origin, source), view.frames(view.conversation.packets[0]))  # fmt: skip
    elsewhere = blame is None or trouble(evidence, [source], submitted=True) == blame != trouble(
        evidence, [to], submitted=True
    )  # a client that found nobody where it went may well have ended with an error for that
    if elsewhere and (datagram := _datagram(evidence, source, to, port)):
        return Fault(f"{source} sent UDP to port {port}", causes.udp_for_tcp(source, port), (datagram,))
    strays = [view for view in found.elsewhere if not _asked_for(evidence, view)]
    if elsewhere and strays:
        view = strays[0]
        where = f"{who(evidence.plan, view.server.address)} port {view.server.port}"
        return Fault(f"{source} connected to {where}", causes.connected_elsewhere(source, where, to, port),
                     view.frames(view.conversation.packets[0]))  # fmt: skip
    seen = f"{source} sent no SYN to port {port} of {to}"
    if blame is None and (neighbour := unanswered_arp(evidence, source)):
        return Fault(seen, causes.no_neighbour(source, neighbour[0]), (neighbour[1],))
    blame = blame or trouble(evidence, [source], submitted=False) or overdue(evidence, [source])
    return Fault(seen, blame.cause if blame else causes.not_tried(source, to, port), (),
                 blame.timed if blame else unfinished(evidence, [source]))  # fmt: skip


def _asked_for(evidence: Evidence, view: Seen) -> bool:
    """Whether another check is about connections to that place: going there is no mistake."""
    here = who(evidence.plan, view.server.address)
    return any(_is_about(each.check, view.server.port, here) for each in evidence.exercise.checks)


def _asked_from(evidence: Evidence, view: Seen) -> bool:
    """Whether another check is about connections of that node to that place."""
    origin = who(evidence.plan, view.client.address)
    place = view.server.port, who(evidence.plan, view.server.address)
    about = [getattr(each.check, "source", "") for each in evidence.exercise.checks if _is_about(each.check, *place)]
    return any(origin in (source if isinstance(source, tuple) else (source,)) for source in about)


def _is_about(check: Check, port: int, node: str) -> bool:
    asked = getattr(check, "port", None)
    return getattr(check, "to", "") == node and port in (asked if isinstance(asked, tuple) else (asked,))


def _datagram(evidence: Evidence, source: str, to: str, port: int) -> FrameRef | None:
    """A UDP datagram to the port, sent where a TCP connection was meant."""
    clients, servers = addresses_of(evidence.plan, source), addresses_of(evidence.plan, to)
    for point in points_of(evidence, source, to):
        for packet in evidence.captures[point].judged if point in evidence.captures else ():
            if packet.protocol == UDP and packet.dport == port and packet.src in clients and packet.dst in servers:
                return FrameRef(point, packet.number)
    return None


def wrong_numbers(view: Seen, source: str, to: str) -> Fault | None:
    """A SYN-ACK or a third packet whose numbers do not fit (RFC 9293 §3.5), where the right one is missing."""
    talk = view.conversation
    syn, answer = view.client.syn, view.server.syn
    if syn is None or talk.handshake_ack is not None:
        return None
    if talk.syn is None:
        text = f"the connection of {source} starts with the flags {flags_text(syn.flags)}, not SYN"
        return Fault(text, causes.bad_handshake(text), view.frames(syn))
    if answer is not None and talk.syn_ack is None:
        wanted = (syn.seq + 1) % 2**32
        if talk.packets.index(answer) < talk.packets.index(syn):
            text = f"the SYN-ACK of {to} was seen before the SYN of {source}"
        else:
            text = f"the SYN-ACK of {to} acknowledges {answer.ack}, where the ISN of {source} + 1 is {wanted}"
        return Fault(text, causes.bad_handshake(text), view.frames(syn, answer))
    if answer is not None:
        wanted = (answer.seq + 1) % 2**32
        later = [s.packet for s in talk.segments if s.side is view.client and not s.packet.flags & (SYN | RST)]
        if later and (later[0].seq != (syn.seq + 1) % 2**32 or later[0].ack != wanted):
            text = (f"the third packet has SEQ {later[0].seq} and ACK {later[0].ack}, "
                    f"where {(syn.seq + 1) % 2**32} and {wanted} are right")  # fmt: skip
            return Fault(text, causes.bad_handshake(text), view.frames(syn, answer, later[0]))
    return None

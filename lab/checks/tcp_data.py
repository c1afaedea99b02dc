"""`tcp-data`: the bytes that both sides sent arrived, whole, in order and acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes, causes_talk
from lab.checks.answers import unanswered
from lab.checks.base import Cause
from lab.checks.connections import Connection, Seen
from lab.checks.diagnose import Fault
from lab.checks.names import count, quoted
from lab.checks.programs import overdue, runs_submission, trouble
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Bool, Payload, param
from lab.trace.flows import Side
from lab.trace.packets import URG


@dataclass(frozen=True)
class TcpData(TcpCheck):
    """Each side's byte stream, put together again at both ends, is exactly what is demanded, and acknowledged.

    N bytes move the sequence number by N; the receiver acknowledges them all. How the bytes are cut into segments
    does not matter, nor do repeated segments.
    """

    kind: ClassVar[str] = "tcp-data"
    claims: ClassVar[tuple[str, ...]] = ("C11",)
    rule: ClassVar[str] = "RFC 9293 §3.4, §3.8"
    says: ClassVar[str] = 'server closed the connection when it had sent "hello\\n", 6 of 12 bytes'

    client_sends: bytes | None = param(Payload(), "all that the connecting side must send", default=None)
    server_sends: bytes | None = param(Payload(), "all that the other side must send", default=None)

    echo: bool = param(
        Bool(), "whether the server must have got each byte from the client before it sends it back", default=False
    )

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """A check that demands nothing would pass on anything."""
        if self.client_sends is None and self.server_sends is None:
            yield "check", "tcp-data demands no bytes", "say client_sends, server_sends or both"
        if self.echo and (not self.client_sends or self.client_sends != self.server_sends):
            yield "echo", "an echo is of the same bytes both ways", "say the same client_sends and server_sends"

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        client, server = self.client_sends, self.server_sends
        if client is not None and client == server:
            what = f"{self.source} sends {quoted(client)}, {self.to} sends it back"
        else:
            sent = ((self.source, client), (self.to, server))
            what = ", ".join(f"{node} sends {quoted(wanted)}" for node, wanted in sent if wanted is not None)
        return f"{what}, all of it acknowledged"

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """The first thing wrong with the bytes of either side: the one who speaks first is asked first."""
        for view in connection.views:
            if fault := self._cut_short(evidence, view):
                return fault
        for wanted, client_speaks in ((self.client_sends, True), (self.server_sends, False)):
            if wanted is None:
                continue
            for view in connection.views:
                if fault := self._stream_fault(evidence, view, wanted, client_speaks):
                    return fault
        for view in connection.views:
            if fault := self._order_fault(view):
                return fault
        first, *others = connection.views
        for other in others:
            for ours, theirs in ((first.client, other.client), (first.server, other.server)):
                if ours.stream != theirs.stream:
                    text = f"the bytes that {first.node} saw are not those that {other.node} saw"
                    return Fault(text, causes.altered(text))
        return None

    def _stream_fault(self, evidence: Evidence, view: Seen, wanted: bytes, client_speaks: bool) -> Fault | None:
        side, peer = (view.client, view.server) if client_speaks else (view.server, view.client)
        name, other = (self.source, self.to) if client_speaks else (self.to, self.source)
        got = side.stream
        frames = view.frames(*(segment.packet for segment in side.segments[:4]))
        if side.inconsistent is not None:
            text = f"{name} sent byte {side.inconsistent + 1} twice, with different values"
            return Fault(text, causes.altered(text), frames)
        if side.missing:
            start, end = side.missing[0]
            text = f"bytes {start + 1} to {end} of {name} are missing at {view.node}"
            return Fault(text, causes.altered(text), frames)
        if got != wanted:
            return self._difference(evidence, view, client_speaks, wanted)
        if wanted and (peer.highest_ack or 0) < len(wanted):
            seen = f"{other} acknowledged {max(peer.highest_ack or 0, 0)} of the {count(len(wanted), 'byte')} of {name}"
            blame = trouble(evidence, [self.to, self.source], submitted=True)
            late = None if client_speaks else self._late(evidence, view)
            gone = blame is None and late is None and self._left_by_reset(evidence, view)
            if gone:
                cause, frames = causes_talk.reset(self.source), (*frames, *view.frames(view.client.reset))
            elif blame is None and not client_speaks and self._went_on_alone(evidence, view):
                cause = causes_talk.closed_first(self.source, self.to)
                frames = (*frames, *view.frames(view.client.fin, view.client.reset))
            else:
                cause = blame.cause if blame else late or causes_talk.not_acknowledged(name)
            return Fault(seen, cause, frames, timed=blame.timed if blame else not gone)
        for packet in (segment.packet for segment in side.segments):
            if packet.checksum_ok is False or packet.ip_checksum_ok is False:
                text = f"frame {view.frame(packet)} has a wrong checksum"
                return Fault(text, causes.altered(text), view.frames(packet))
            if packet.flags & URG:
                text = f"{name} sent {quoted(packet.payload[-1:])} as urgent data, which a plain recv() leaves out"
                cause = causes_talk.urgent(text)
                return Fault(f"frame {view.frame(packet)} has the flag URG", cause, view.frames(packet))
        return None

    def _order_fault(self, view: Seen) -> Fault | None:
        """A byte that came back before it had come: its segment does not acknowledge that byte of the client."""
        start = view.client.first
        if not self.echo or start is None:
            return None
        for segment in view.server.segments:
            heard = (segment.packet.ack - start + 2**31) % 2**32 - 2**31
            if heard < segment.end:
                seen = (f"{self.to} sent {quoted(segment.packet.payload)} when "
                        f"{count(max(heard, 0), 'byte')} of {self.source} had arrived")  # fmt: skip
                return Fault(seen, causes_talk.spoke_first(self.to, self.source), view.frames(segment.packet))
        return None

    def _difference(self, evidence: Evidence, view: Seen, client_speaks: bool, wanted: bytes) -> Fault:
        """How the bytes differ from what is demanded: something else, too much, nothing, too little."""
        side, listener = (view.client, view.server) if client_speaks else (view.server, view.client)
        name, other = (self.source, self.to) if client_speaks else (self.to, self.source)
        got, frames = side.stream, view.frames(*(segment.packet for segment in side.segments[:4]))
        at = next((i for i, (a, b) in enumerate(zip(wanted, got, strict=False)) if a != b), None)
        if at is not None:
            seen = f"{name} sent {quoted(got)}; byte {at + 1} is the first that differs"
            extra = got.removesuffix(wanted)
            if extra == got:
                return Fault(seen, causes_talk.differs(name, at, wanted, got), frames)
            return Fault(seen, causes_talk.too_much(name, extra, before=True), frames)
        if len(got) > len(wanted):
            seen = f"{name} sent {quoted(got)}, {count(len(got) - len(wanted), 'byte')} too many"
            return Fault(seen, causes_talk.too_much(name, got[len(wanted) :]), frames)
        blame = trouble(evidence, [name, other], submitted=True)
        gone = not client_speaks and self._left_by_reset(evidence, view)
        late = unanswered(evidence, view, side, listener, (name, other))
        left = view.first_to_close() is not side  # the listener went, perhaps tired of waiting, or nobody did
        waited = bool(not got or late or left or overdue(evidence, [name, other]))
        timed = not gone and (blame.timed if blame else waited)
        if not got:
            asked = listener.stream
            seen = f"{name} sent nothing" + (f" after {quoted(asked)} had arrived" if asked else "")
            cause = late or causes_talk.nothing_sent(name)
            frames = view.frames(*(segment.packet for segment in listener.segments[:2]))
        else:
            seen = f"{name} sent only {quoted(got)}, {len(got)} of {count(len(wanted), 'byte')}"
            cause = late or causes_talk.too_little(name, len(got), wanted)
        if gone:
            cause = causes_talk.reset(self.source)
        elif not client_speaks and self._went_on_alone(evidence, view):
            cause = causes_talk.closed_first(self.source, self.to)
            frames = (*frames, *view.frames(view.client.fin, view.client.reset))
        return Fault(seen, blame.cause if blame else cause, frames, timed)

    def _left_by_reset(self, evidence: Evidence, view: Seen) -> bool:
        """Whether the client left with bytes unread: what either side had acknowledged by then is chance."""
        reset = view.client.reset is not None and view.client.fin is None
        return reset and not overdue(evidence, [self.source])

    def _went_on_alone(self, evidence: Evidence, view: Seen) -> bool:
        """Whether the student's client had closed when the teacher's server answered: its kernel took that by RST."""
        client = view.client
        mine = runs_submission(evidence, self.source) and not runs_submission(evidence, self.to)
        return mine and None not in (client.fin, client.reset) and not overdue(evidence, [self.source])

    def _late(self, evidence: Evidence, view: Seen) -> Cause | None:
        """Whether the answer came only when the client was no longer there to acknowledge it."""
        if cause := unanswered(evidence, view, view.server, view.client, (self.to, self.source)):
            return cause
        if overdue(evidence, [self.source]):
            return causes_talk.answered_late(self.to, self.source)
        order = [id(packet) for packet in view.conversation.packets]
        fin, first = view.client.fin, next((segment.packet for segment in view.server.segments), None)
        if view.client.reset and fin and first and order.index(id(fin)) < order.index(id(first)):
            return causes_talk.answered_the_gone(self.to, self.source)
        return None

    def _cut_short(self, evidence: Evidence, view: Seen) -> Fault | None:
        """The server ended the connection, first of the two, while what came so far was right and not yet whole.

        A server that closes with bytes unread sends RST and not FIN, so timing decides which of both is seen. Where
        the client alone is the student's, the teacher's server had a reason to close.
        """
        server, client = view.server, view.client
        first = server.reset is not None or (server.fin is not None and view.first_to_close() is server)
        if not first or (runs_submission(evidence, self.source) and not runs_submission(evidence, self.to)):
            return None
        asked, answer = self.client_sends or b"", self.server_sends or b""
        heard = self.client_sends is None or (client.stream == asked and (server.highest_ack or 0) >= len(asked))
        if (heard and (self.server_sends is None or server.stream == answer)) or not (
            (self.client_sends is None or asked.startswith(client.stream))
            and (self.server_sends is None or answer.startswith(server.stream))
        ):
            return None
        if server.stream and self._had_read(view, asked):
            return None  # the answer is short, and that it was the first to close takes nothing from it
        sent = f"it had sent {quoted(server.stream)}" if server.stream else "it had sent nothing"
        if self.server_sends is not None and server.stream:
            sent += f", {len(server.stream)} of {count(len(answer), 'byte')}"
        blame = trouble(evidence, [self.to, self.source], submitted=True)
        cause = blame.cause if blame else causes_talk.closed_first(self.to, self.source)
        frames = view.frames(*(segment.packet for segment in server.segments[-1:]), server.fin or server.reset)
        seen = f"{self.to} closed the connection when {sent}"
        return Fault(seen, cause, frames, timed=blame is not None and blame.timed)

    def _had_read(self, view: Seen, asked: bytes) -> bool:
        """Whether the server ended with nothing unread (else it had sent RST), and all that it was asked had come."""
        fin, start = view.server.fin, view.client.first
        if not asked or fin is None or start is None or view.server.reset is not None:
            return False
        return bool(view.client.stream == asked and (fin.ack - start) % 2**32 in (len(asked), len(asked) + 1))

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The streams of the first connection and the segments that carried them."""
        view = connections[0].views[0]
        parts = [
            f"{node} sent {quoted(side.stream)}, and the sequence number moved by {len(side.stream)}"
            for node, wanted, side in _demanded(self, view)
        ]
        packets = [segment.packet for _, _, side in _demanded(self, view) for segment in side.segments[:3]]
        seen = "; ".join(parts) + "; all acknowledged"
        if len(connections) > 1:
            seen = f"{count(len(connections), 'connection')}, each: {seen}"
        return seen, view.frames(*packets)


def _demanded(check: TcpData, view: Seen) -> list[tuple[str, bytes, Side]]:
    pairs = ((check.source, check.client_sends, view.client), (check.to, check.server_sends, view.server))
    return [(node, wanted, side) for node, wanted, side in pairs if wanted is not None]

"""`connections`: several TCP connections to one node, told apart by their ends, and served together or in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from lab.checks import causes_talk
from lab.checks.answers import goodbye
from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.connections import Connection, Found, Seen, find, points_of
from lab.checks.diagnose import Fault, no_connection
from lab.checks.gaps import gaps, unusable
from lab.checks.names import count, listed, quoted, who
from lab.checks.programs import idle, trouble, unfinished
from lab.checks.tcp import disagreement
from lab.evidence import Evidence
from lab.grammar import Bool, Choice, Int, List, NodeName, Port, param
from lab.trace.packets import Packet

_NAMED = 6  # connections of a run that a sentence names
_ACCEPT = "what the program does while it waits for one client: a recv() that waits keeps it from the next accept()"


@dataclass(frozen=True)
class Connections(Check):
    """So many connections were opened to a node's ports, and kept apart though only their ports may differ.

    Each of the nodes and each of the ports takes part. `together`: at one moment all of them had been answered and none
    was closed, so the server serves them side by side; the handshake alone, which a kernel does for a program that is
    busy, does not count. An answer is what the server sends after the first byte of the client, where that sends any. A
    connection is open until the first FIN or RST of either side.
    """

    kind: ClassVar[str] = "connections"
    claims: ClassVar[tuple[str, ...]] = ("C14", "C15", "C16")
    rule: ClassVar[str] = "RFC 9293 §3.4.1 (a connection is defined by a pair of sockets)"
    says: ClassVar[str] = "server answered client port 40002 only when client port 40001 had been closed"

    source: tuple[str, ...] = param(
        List(NodeName(), empty=False, single=True), "the node that connects, or several", key="from"
    )
    to: str = param(NodeName(), "the node that is connected to")
    port: tuple[int, ...] = param(
        List(Port(), empty=False, single=True), "the port that is connected to, or several, each with its own program"
    )
    number: int = param(Int(1, 1000), "how many connections there must be, in all", key="count")
    order: str = param(
        Choice("together", "in-turn", "any"),
        "whether all must be served at one time, or each begin only when the one before it has been closed",
        default="any",
    )
    echo: bool = param(
        Bool(), "whether each must bring back exactly what was sent on it, no two the same", default=False
    )

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge at the server's captures, where all connections meet, else at those of the one client."""
        expected = self._expectation()
        nodes = [*self.source, self.to]
        if verdict := unusable(gaps(evidence, points_of(evidence, *nodes), nodes), self.rule, expected):
            return verdict
        all_found = [find(evidence, source, self.to, port) for source in self.source for port in self.port]
        captured = {node for found in all_found for node in found.captured}
        if self.to not in captured and (len(self.source) > 1 or not captured):
            seen = f"the exercise does not capture at {self.to}, where these connections meet"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        fault = self._missing(evidence, all_found)
        opened = [each for found in all_found for each in found.connections if each.established]
        fault = fault or self._too_many(evidence, opened)
        fault = fault or next((f for found in all_found for each in found.connections if each.established
                               and (f := disagreement(evidence, found, each))), None)  # fmt: skip
        course = sorted((_course(evidence, _view(each)) for each in opened), key=lambda each: each.begun)
        if self.echo:  # what came back wrong tells more than when: a client that waits for the rest of it asks late
            answered = [each for each in course if each.view.client.stream and each.view.server.stream]
            fault = fault or self._wrong_client(course) or self._mixed_up(evidence, answered)
        fault = fault or self._out_of_order(evidence, course)
        fault = fault or (self._mixed_up(evidence, course) if self.echo else None)
        if fault is not None:
            return Verdict(Outcome.FAILED, self.rule, expected, fault.seen, fault.frames, fault.cause, fault.timed)
        return Verdict(Outcome.PASSED, self.rule, expected, *self._praise(course))

    def _expectation(self) -> str:
        ports = f"port {listed([str(port) for port in self.port])}"
        how = {"together": ", served side by side", "in-turn": ", one after the other"}.get(self.order, "")
        back = "; each gets back what it sent" if self.echo else ""
        return f"{count(self.number, 'connection')} of {listed(self.source)} to {self.to} {ports}{how}{back}"

    def _missing(self, evidence: Evidence, all_found: Sequence[Found]) -> Fault | None:
        """A node or port that takes no part, or fewer connections than asked for."""
        pairs = [(source, port) for source in self.source for port in self.port]
        opened = [[each for each in found.connections if each.established] for found in all_found]
        for wanted in (*self.source, *self.port):
            here = [index for index, pair in enumerate(pairs) if wanted in pair]
            if not any(opened[index] for index in here):
                source, port = pairs[here[0]]
                found = all_found[here[0]]
                strangers = tuple(each for each in found.foreign if _client(evidence, each) not in self.source)
                return no_connection(evidence, replace(found, foreign=strangers), source, self.to, port)
        number = sum(map(len, opened))
        if number >= self.number:
            return None
        for (source, port), found in zip(pairs, all_found, strict=True):
            tries = tuple(each for each in found.connections if not each.established)
            if tries:
                return no_connection(evidence, replace(found, connections=tries), source, self.to, port)
        seen = f"{self._opened(number)}, where {self.number} are asked for"
        blame = idle(evidence, [*self.source, self.to])
        cause = blame.cause if blame else Cause("few-connections", seen, "how often connect() is called")
        views = [_view(each) for several in opened for each in several[:_NAMED]]
        return Fault(seen, cause, tuple(ref for view in views for ref in view.frames(view.conversation.syn)),
                     blame.timed if blame else unfinished(evidence, self.source))  # fmt: skip

    def _too_many(self, evidence: Evidence, opened: Sequence[Connection]) -> Fault | None:
        if len(opened) <= self.number:
            return None
        views = [_view(each) for each in opened[: self.number + 1]]
        seen = f"{self._opened(len(opened))}, where {count(self.number, 'connection')} are asked for"
        cause = Cause("several-connections", seen, "how often connect() is called")
        return Fault(seen, cause, tuple(ref for view in views for ref in view.frames(view.conversation.syn)))

    def _opened(self, number: int) -> str:
        return f"{listed(self.source)} opened {count(number, 'connection')} to {self.to}"

    def _out_of_order(self, evidence: Evidence, course: Sequence[_Course]) -> Fault | None:
        if self.order == "in-turn":
            for first, second in pairwise(course):
                if first.ended is None or second.begun < first.ended:
                    seen = f"{second.name} began while {first.name} was still open"
                    cause = Cause("together", seen, "when each connection is closed, and the next one opened")
                    timed = first.ended is None and unfinished(evidence, [*self.source, self.to])
                    return Fault(seen, cause, (*second.frames(second.begun), *first.frames(first.ended)), timed)
        return self._not_together(evidence, course) if self.order == "together" else None

    def _not_together(self, evidence: Evidence, course: Sequence[_Course]) -> Fault | None:
        """A connection that was not answered while another, or it itself, was open."""
        served = [each for each in course if each.answered is not None]
        for each in course:
            if each.answered is None:
                return self._unanswered(evidence, each, served)
        late = max(served, key=lambda each: each.answered or each.begun)
        gone = min(served, key=lambda each: each.ended or _NEVER)
        if gone.ended is None or late.answered is None or late.answered < gone.ended:
            return None
        shown = (*gone.frames(gone.ended), *late.frames(late.asked, late.answered))
        if late is not gone and gone.left_by_server and gone.answered and late.asked > gone.answered:
            seen = f"{self.to} closed {gone.name} when {late.name} was still to be answered"
            blame = trouble(evidence, [self.to], submitted=True)
            cause = blame.cause if blame else causes_talk.closed_first(self.to, _client(evidence, gone.view))
            return Fault(seen, cause, shown, timed=True)
        if late is gone or late.asked > gone.ended:
            closed = "it" if late is gone else gone.name
            seen = f"{late.name} was {'answered' if late is gone else 'used'} only when {closed} had been closed"
            look = "whether all connections are opened, and asked on, before the first of them is closed"
            return Fault(seen, Cause("not-together", seen, look), shown, timed=True)  # who is busy is late
        seen = f"{self.to} answered {late.name} only when {gone.name} had been closed"
        return Fault(seen, self._one_at_a_time(evidence, seen), shown, timed=True)

    def _unanswered(self, evidence: Evidence, silent: _Course, served: Sequence[_Course]) -> Fault:
        blame = trouble(evidence, [self.to], submitted=True)
        if served:
            seen = f"{self.to} answered {served[0].name} and never {silent.name}"
            cause = blame.cause if blame else self._one_at_a_time(evidence, seen)
        else:
            seen = f"{self.to} never answered {silent.name}"
            blame = blame or idle(evidence, [self.to])
            cause = blame.cause if blame else causes_talk.never_answered(self.to, silent.view.client.stream)
        return Fault(seen, cause, silent.frames(silent.asked), timed=blame is None or blame.timed)

    def _one_at_a_time(self, evidence: Evidence, seen: str) -> Cause:
        blame = trouble(evidence, [self.to], submitted=True)
        return blame.cause if blame else Cause("one-at-a-time", seen, _ACCEPT)

    def _wrong_client(self, course: Sequence[_Course]) -> Fault | None:
        """Bytes of one connection that came back on another, or were sent on two, so that nobody could tell."""
        senders: dict[bytes, _Course] = {}
        for each in course:
            sent = each.view.client.stream
            same = senders.setdefault(sent, each)
            if sent and same is not each:
                seen = f"{each.name} sent {quoted(sent)}, and so did {same.name}"
                cause = Cause("not-told-apart", seen, "what each connection sends: bytes of its own")
                return Fault(seen, cause, (*each.frames(each.asked), *same.frames(same.asked)))
        for each in course:
            own, back = each.view.client.stream, each.view.server.stream
            other = next((one for sent, one in senders.items() if sent not in own and sent in back), None)
            if other is not None:
                seen = f"{each.name} sent {quoted(own)} and got {quoted(back)}"
                text = f"{self.to} sent {each.name} what {other.name} had sent"
                look = "which socket the answer is sent to: each accept() returns one of its own"
                return Fault(seen, Cause("wrong-client", text, look), self._exchange(each))
        return None

    def _mixed_up(self, evidence: Evidence, course: Sequence[_Course]) -> Fault | None:
        """What came back on a connection and was not what had been sent on it."""
        for each in course:
            sent, back = each.view.client.stream, each.view.server.stream
            if not sent:
                seen = f"{each.name} sent nothing that could have come back"
                blame = idle(evidence, self.source)
                cause = blame.cause if blame else Cause("nothing-sent", seen, "whether send() is reached")
                return Fault(seen, cause, each.frames(each.begun), timed=blame is None or blame.timed)
            if back != sent:
                seen = f"{each.name} sent {quoted(sent)} and got {quoted(back)}"
                return self._differs(evidence, seen, sent, back, self._exchange(each))
        return None

    def _exchange(self, course: _Course) -> tuple[FrameRef, ...]:
        answers = [segment.packet for segment in course.view.server.segments[:2]]
        return (*course.frames(course.asked), *course.view.frames(*answers))

    def _differs(
        self, evidence: Evidence, seen: str, sent: bytes, back: bytes, shown: tuple[FrameRef, ...]
    ) -> Fault:
        blame = trouble(evidence, [self.to, *self.source], submitted=True)
        at = next((index for index, (a, b) in enumerate(zip(sent, back, strict=False)) if a != b), None)
        if at is not None:
            cause = causes_talk.differs(self.to, at, sent, back)
        elif len(back) > len(sent):
            cause = causes_talk.too_much(self.to, back[len(sent) :])
        else:
            cause = causes_talk.too_little(self.to, len(back), sent)
            return Fault(seen, blame.cause if blame else cause, shown, timed=blame is None or blame.timed)
        return Fault(seen, cause, shown)

    def _praise(self, course: Sequence[_Course]) -> tuple[str, tuple[FrameRef, ...]]:
        named = course[:_NAMED]
        seen = f"{count(len(course), 'connection')}: {listed([each.name for each in named])}"
        seen += " and others" if len(course) > len(named) else ""
        shown = [ref for each in named for ref in each.frames(each.begun)]
        if self.order == "together":
            seen += "; all had been answered before the first of them was closed"
            last = max(course, key=lambda each: each.answered or each.begun)
            first = min(course, key=lambda each: each.ended or _NEVER)
            shown += [*last.frames(last.answered), *first.frames(first.ended)]
        if self.order == "in-turn":
            seen += "; each began when the one before it had been closed"
        if self.echo:
            seen += "; each got back its own bytes"
        return seen, tuple(shown)


Moment = tuple[int, int, str]  # comparable within a node's captures: time where there are several, number, point
_NEVER: Moment = (2**63, 0, "")


@dataclass(frozen=True, eq=False)
class _Course:
    """How one connection went: its first packet, question and answer, and the first FIN or RST of either side."""

    view: Seen
    name: str  # by what tells it from the others: `client port 40001`
    begun: Moment
    asked: Moment
    answered: Moment | None
    ended: Moment | None

    @property
    def left_by_server(self) -> bool:
        """Whether the server was the first to close it, or reset it."""
        reset = self.view.server.reset
        return self.view.first_to_close() is self.view.server or (reset is not None and self.view.client.fin is None)

    def frames(self, *moments: Moment | None) -> tuple[FrameRef, ...]:
        """The frames of moments; what is None is left out."""
        return tuple(FrameRef(moment[2], moment[1]) for moment in moments if moment is not None)


def _view(connection: Connection) -> Seen:
    """Where a connection is judged: at the server, where all of them meet."""
    return connection.at_server or connection.views[0]


def _at(view: Seen, packet: Packet) -> Moment:
    ref = view.frame(packet)
    return 0, ref.number, ref.point


def _course(evidence: Evidence, view: Seen) -> _Course:
    several = sum(point in evidence.captures for point in points_of(evidence, view.node)) > 1

    def moment(packet: Packet) -> Moment:
        # One kernel stamped all of a node's captures; within a single one the order is that of the frames.
        found = _at(view, packet)
        return packet.time if several else 0, *found[1:]

    talk, client, server = view.conversation, view.client, view.server
    ends = [packet for packet in (client.fin, server.fin, talk.reset) if packet is not None]
    if not ends:  # one that we ended is closed by its kernel
        pairs = ((client, server), (server, client))
        ends = [packet for ours, theirs in pairs if (packet := goodbye(evidence, view, ours, theirs)) is not None]
    first, answer = talk.packets[0], _answer(view)
    return _Course(
        view,
        f"{_client(evidence, view)} port {client.port}",
        moment(first),
        moment(client.segments[0].packet if client.segments else first),
        moment(answer) if answer is not None else None,
        min(map(moment, ends), default=None),
    )


def _client(evidence: Evidence, view: Seen) -> str:
    return who(evidence.plan, view.client.address)


def _answer(view: Seen) -> Packet | None:
    """The server's first payload after the first byte of the client had come, or at all where that sends none."""
    start = view.client.first
    for segment in view.server.segments:
        if not view.client.segments or start is None or 0 < (segment.packet.ack - start) % 2**32 < 2**31:
            return segment.packet
    return None

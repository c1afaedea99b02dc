"""`tcp-close`: both sides said FIN, both were acknowledged, and the right one began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes_talk
from lab.checks.answers import goodbye, unanswered
from lab.checks.connections import Connection, Seen
from lab.checks.diagnose import Fault
from lab.checks.names import count
from lab.checks.programs import overdue, trouble
from lab.checks.states import sockets
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Choice, param
from lab.trace.packets import RST


@dataclass(frozen=True)
class TcpClose(TcpCheck):
    """A connection was closed by FIN in both directions, each acknowledged: four segments, or three when merged.

    What a program's kernel sends after `lab` ended the program does not count. Who closed first is read from the
    acknowledgements: the second FIN acknowledges the first one. Packets cannot tell close() from the end of the
    program.
    """

    kind: ClassVar[str] = "tcp-close"
    claims: ClassVar[tuple[str, ...]] = ("C12",)
    rule: ClassVar[str] = "RFC 9293 §3.6"
    says: ClassVar[str] = "client sent RST where its FIN was due"

    closes_first: str = param(Choice("client", "server", "either"), "which side must close first", default="either")

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        first = {"client": self.source, "server": self.to}.get(self.closes_first)
        second = self.to if first == self.source else self.source
        how = f"{first} closes first, then {second}" if first else "both sides close"
        return f"{how}: a FIN from each, each acknowledged"

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """What is wrong with the end of a connection, at either of its ends."""
        for view in connection.views:
            if fault := self._end_fault(evidence, view):
                return fault
        return None

    def _end_fault(self, evidence: Evidence, view: Seen) -> Fault | None:
        names = ((view.client, self.source), (view.server, self.to))
        for side, name in names:
            after = [s for s in side.segments if side.fin_offset is not None and s.end > side.fin_offset]
            if after:
                seen = f"{name} sent data after its own FIN"
                return Fault(seen, causes_talk.data_after_fin(name), view.frames(side.fin, after[0].packet))
        if not all(side.fin and side.fin_ack and not side.fin_ack.flags & RST for side, _ in names):
            return self._unfinished(evidence, view)
        first = view.first_to_close()
        if self.closes_first != "either":
            wanted = self.source if self.closes_first == "client" else self.to
            fins = sorted(filter(None, (view.client.fin, view.server.fin)), key=view.conversation.packets.index)
            shown = view.frames(*fins)
            if first is None:
                return Fault("both sides sent FIN before they saw the other's", causes_talk.simultaneous(wanted), shown)
            name = self.source if first is view.client else self.to
            if name != wanted:
                crash = trouble(evidence, [name], submitted=True)
                cause = crash.cause if crash else causes_talk.closed_first(name, wanted)
                late = overdue(evidence, [wanted]) is not None  # it might have closed before the other gave up
                return Fault(f"{name} closed first", cause, shown, timed=crash is None and late)
        return None

    def _unfinished(self, evidence: Evidence, view: Seen) -> Fault:
        """A reset, a FIN that never came, or one that was never acknowledged."""
        blame = trouble(evidence, [self.to, self.source], submitted=True)
        talk = view.conversation
        fins = view.frames(view.client.fin, view.server.fin)
        if talk.reset is not None:
            name = self.source if view.client.reset is talk.reset else self.to
            seen = f"{name} sent RST where its FIN was due"
            first = view.client.fin is None and self.closes_first == "client" and name == self.to
            cause = causes_talk.closed_first(name, self.source) if first else causes_talk.reset(name)
            timed = blame.timed if blame else overdue(evidence, [self.source, self.to]) is not None
            return Fault(seen, blame.cause if blame else cause, (*fins, view.frame(talk.reset)), timed)
        silent = unanswered(evidence, view, view.server, view.client, (self.to, self.source))
        if view.client.fin is None and view.server.fin is None:
            seen = f"neither {self.source} nor {self.to} closed the connection"
            cause = silent or causes_talk.both_wait(self.source, self.to)
        elif view.client.fin is None or view.server.fin is None:
            ends = (view.client, self.source), (view.server, self.to)
            (still, name), (gone, other) = ends if view.client.fin is None else ends[::-1]
            seen = f"{name} never closed the connection: no FIN came from its program"
            end = goodbye(evidence, view, still, gone)
            waiting = other if end and gone.fin and gone.fin.time > end.time else None
            cause = (silent if still is view.client else None) or causes_talk.never_closed(name, waiting)
        else:
            closing, other = (self.source, self.to) if view.client.fin_ack is None else (self.to, self.source)
            seen = f"{other} never acknowledged the FIN of {closing}"
            return Fault(seen, causes_talk.not_acknowledged(closing), fins, timed=True)
        return Fault(seen, blame.cause if blame else cause, fins, timed=blame is None or blame.timed)

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """Who closed first, in how many segments, and where TIME-WAIT is."""
        view = connections[0].views[0]
        first = view.first_to_close()
        segments = len({id(p) for side in (view.client, view.server) for p in (side.fin, side.fin_ack)})
        if first is None:
            how = "both sides closed at the same time"
        else:
            how = f"{self.source if first is view.client else self.to} closed first, in {count(segments, 'segment')}"
        seen = f"{how}; packets alone do not tell close() from the end of the program"
        waiting = [node for node in (self.source, self.to) if _in_time_wait(evidence, view, node, self.source)]
        if waiting:
            seen += f"; TIME-WAIT at {' and '.join(waiting)}"
        if len(connections) > 1:
            seen = f"{count(len(connections), 'connection')}, the first: {seen}"
        packets = {id(p): p for p in (view.client.fin, view.client.fin_ack, view.server.fin, view.server.fin_ack) if p}
        return seen, view.frames(*sorted(packets.values(), key=view.conversation.packets.index))


def _in_time_wait(evidence: Evidence, view: Seen, node: str, client: str) -> bool:
    side = view.client if node == client else view.server
    for phase in ("settled", "after"):
        for socket in sockets(evidence, phase, node) or ():
            if socket.state == "TIME-WAIT" and socket.port == side.port and socket.address.packed == side.address:
                return True
    return False

"""`tcp-refused`: nobody listens, and the node says so at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause
from lab.checks.connections import Connection
from lab.checks.diagnose import Fault
from lab.checks.names import addresses_of
from lab.checks.states import sockets
from lab.checks.tcp import Praise
from lab.checks.tcp_tries import TcpTry, told_unreachable
from lab.evidence import Evidence
from lab.trace.packets import ACK, RST, flags_text


@dataclass(frozen=True)
class TcpRefused(TcpTry):
    """A connection was refused by the node itself: its SYN (x) was answered by RST and ACK, acknowledging x+1.

    Told apart from a router or a firewall that answers by ICMP, from one that sends the RST in the node's stead, and
    from silence. A try that was accepted is a failure. With `only`, the program may try but once.
    """

    kind: ClassVar[str] = "tcp-refused"
    claims: ClassVar[tuple[str, ...]] = ("C9",)
    rule: ClassVar[str] = "RFC 9293 §3.5.2, §3.10.7.1"
    says: ClassVar[str] = "server accepted a connection of client to port 7000"

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        return f"{self.to} refuses the connection of {self.source} to port {self.port}: SYN, answered by RST and ACK"

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """What else than a refusal became of the try."""
        view = connection.views[0]
        syn = view.conversation.syn
        if syn is None:
            text = f"there is no SYN from {self.source} at {view.node}"
            return Fault(text, causes.bad_handshake(text), view.frames(*view.conversation.packets[:1]))
        for each in connection.views:
            reset = each.conversation.refused
            if reset is None:
                continue
            wanted = (syn.seq + 1 + syn.payload_length) % 2**32
            if reset.flags != RST | ACK or reset.ack != wanted or reset.seq != 0:
                text = (f"the refusal has the flags {flags_text(reset.flags)}, SEQ {reset.seq} and ACK {reset.ack}, "
                        f"where RST, ACK, 0 and {wanted} are right")  # fmt: skip
                return Fault(text, causes.bad_handshake(text), each.frames(syn, reset))
        refusals = [each.conversation.refused for each in connection.views]
        if all(refusals):
            return None
        if any(refusals):
            sides = [each.node for each in connection.views if each.conversation.refused]
            seen = f"the RST was seen at {sides[0]} alone"
            return Fault(seen, causes.altered(seen), tuple(
                ref for each in connection.views for ref in each.frames(each.conversation.refused)))  # fmt: skip
        if told := told_unreachable(evidence, syn):
            look = "a refusal is the node's own RST: an ICMP error comes from a router or a firewall"
            return Fault(told[0], Cause("icmp-unreachable", told[0], look), (*view.frames(syn), told[1]))
        seen = f"{self.source} sent SYN to port {self.port} of {self.to}, and no answer came"
        return Fault(seen, causes.silent(self.to, self.port), view.frames(syn), timed=True)

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The first refusal, and where the node listened instead."""
        view = connections[0].views[0]
        reset = view.conversation.refused
        times = f"{len(connections)} tries, each: " if len(connections) > 1 else ""
        seen = f"{times}{self.to} answered the SYN by RST, acknowledging the client's ISN + 1"
        listening = sockets(evidence, "after", self.to)
        here = [s for s in listening or () if s.protocol == "tcp" and s.state == "LISTEN" and s.port == self.port]
        if listening is not None and not here:
            seen += f": nothing listened on port {self.port}"
        elif here and not any(s.address.is_unspecified or s.address.packed in addresses_of(evidence.plan, self.to)
                              for s in here):  # fmt: skip
            seen += f": a program listened on {here[0].address} alone"
        return seen, view.frames(view.conversation.syn, reset)

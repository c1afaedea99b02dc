"""`reach`: one node can, or cannot, reach another; found by a try of our own after everything has settled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from lab.checks import causes
from lab.checks.base import Cause, Check, FrameRef, Outcome, ProbeRequest, Verdict
from lab.checks.follow import no_route
from lab.checks.gaps import gaps, left_out, unusable
from lab.checks.names import address_of, addresses_of, interfaces_of, who
from lab.checks.programs import listening, trouble, unready
from lab.checks.routing import misrouted
from lab.evidence import Evidence, Probe
from lab.grammar import Address, Bool, Choice, Either, NodeName, Port, param
from lab.plan import Plan
from lab.topology import Address as AnyAddress
from lab.trace.packets import ICMP, ICMPV6, TCP, UDP, Packet, quoted

Protocol = Literal["icmp", "tcp", "udp"]
_ECHO, _ECHO_V6 = 8, 128
_PORT_UNREACHABLE = {ICMP: (3, 3), ICMPV6: (1, 4)}  # type and code


@dataclass(frozen=True)
class Reach(Check):
    """A try of our own, after the steps, reaches the other node, or must not.

    `icmp` wants an echo reply, `tcp` an open port, `udp` an answer, or the datagram's arrival without a refusal. A
    refused port is not reached. Where nothing was really tried there is no verdict, neither way.
    """

    kind: ClassVar[str] = "reach"
    claims: ClassVar[tuple[str, ...]] = ("C7",)
    rule: ClassVar[str] = "RFC 792; RFC 1122 §3.2.2; RFC 9293 §3.5"
    says: ClassVar[str] = "no answer came"

    source: str = param(NodeName(), "the node that tries", key="from")
    to: str | AnyAddress = param(
        Either(NodeName(), Address()), "the node, or the address, that it tries to reach"
    )
    protocol: str = param(Choice("icmp", "tcp", "udp"), "by what", default="icmp")
    port: int | None = param(Port(), "the port, for tcp and udp", default=None)
    reachable: bool = param(Bool(), "whether it must be reached", default=True)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """A port belongs to tcp and udp, and to them alone."""
        if self.protocol == "icmp" and self.port is not None:
            yield "port", "icmp has no ports", "say protocol: tcp or udp, or leave the port out"
        if self.protocol != "icmp" and self.port is None:
            yield "protocol", f"{self.protocol} needs a port", "add port:"

    def probes(self, plan: Plan) -> tuple[ProbeRequest, ...]:
        """The try that it needs: to the first address of a family that both have."""
        target = self._target(plan)
        protocol = cast(Protocol, self.protocol)
        return (ProbeRequest(self.source, target, protocol, self.port),) if target else ()

    def _target(self, plan: Plan) -> str | None:
        if not isinstance(self.to, str):
            return str(self.to)
        mine = {address.version for interface in interfaces_of(plan, self.source) for address in interface.addresses}
        theirs = [address.ip for interface in interfaces_of(plan, self.to) for address in interface.addresses]
        return next((str(address) for address in theirs if address.version in mine), None)

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the answer to our try."""
        what = f"{self.to}{f' port {self.port}' if self.port else ''}"
        expected = f"{self.source} {'reaches' if self.reachable else 'does not reach'} {what} by {self.protocol}"
        target = self._target(evidence.plan)
        probe = next((p for p in evidence.probes if self._is_mine(p, target)), None)
        if probe is None or not _tried(probe):
            why = f" ({probe.error})" if probe and probe.error else ""
            seen = f"nothing was sent from {self.source} to {what}{why}, so neither answer is proved"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        heard = self._listening_points(evidence, target)
        if verdict := unusable(gaps(evidence, heard, [self.source]), self.rule, expected):
            return verdict
        if any(left_out(evidence, point) for point in heard):
            seen = f"whether a datagram arrives is seen at {self.to} alone, and the exercise does not capture there"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        arrived = self._arrival(evidence, target) if probe.sent else None
        unheard = self._refusal(evidence, target) if probe.answer == "silence" else None
        taken = self.protocol == "udp" and probe.answer == "silence" and arrived is not None and unheard is None
        reached = probe.answer == "reply" or taken
        seen = _answer(probe)
        frames = tuple(ref for ref in (arrived, unheard) if ref is not None)
        if arrived is not None and probe.answer != "reply":
            seen += f"; the packet arrived at {arrived.point}"
        if unheard is not None:
            seen += ", where nobody listened; the refusal did not come back"
        if reached == self.reachable:
            return Verdict(Outcome.PASSED, self.rule, expected, seen, frames)
        if reached:
            cause = causes.reachable(self.source, str(self.to))
            return Verdict(Outcome.FAILED, self.rule, expected, seen, frames, cause)
        cause, more = self._why(evidence, probe, target)
        late = isinstance(self.to, str) and unready(evidence, [self.to])  # it may have listened a little later
        timed = probe.answer == "silence" or late
        return Verdict(Outcome.FAILED, self.rule, expected, seen, (*frames, *more), cause, timed)

    def _is_mine(self, probe: Probe, target: str | None) -> bool:
        same = probe.node == self.source and probe.protocol == self.protocol and probe.port == self.port
        return same and probe.to in (str(self.to), target)

    def _listening_points(self, evidence: Evidence, target: str | None) -> list[str]:
        """Where it shows whether a datagram arrived: nowhere else, for nobody need answer it."""
        if self.protocol != "udp":
            return []
        owner = next((i for i in evidence.plan.interfaces for a in i.addresses if str(a.ip) == target), None)
        return [interface.point for interface in interfaces_of(evidence.plan, owner.node)] if owner else []

    def _arrival(self, evidence: Evidence, target: str | None) -> FrameRef | None:
        """Our packet at the other node's interface, after the end mark."""
        senders = addresses_of(evidence.plan, self.source)
        for point, packet in _after_the_end(evidence, target):
            if packet.src in senders and str(address_of(packet.dst)) == target and self._fits(packet):
                return FrameRef(point, packet.number)
        return None

    def _refusal(self, evidence: Evidence, target: str | None) -> FrameRef | None:
        """The other node's word that nobody listens there (RFC 792, RFC 4443 §3.1), whether or not it came back."""
        receivers = addresses_of(evidence.plan, self.source)
        for point, packet in _after_the_end(evidence, target):
            code = _PORT_UNREACHABLE.get(packet.protocol)
            about = quoted(packet) if code == (packet.icmp_type, packet.icmp_code) else None
            if packet.dst in receivers and about is not None and about.dport == self.port:
                return FrameRef(point, packet.number)
        return None

    def _fits(self, packet: Packet) -> bool:
        numbers = {"icmp": (ICMP, ICMPV6), "tcp": (TCP,), "udp": (UDP,)}
        asks = self.protocol != "icmp" or packet.icmp_type in (_ECHO, _ECHO_V6)
        return asks and packet.protocol in numbers[self.protocol] and (self.port is None or packet.dport == self.port)

    def _why(self, evidence: Evidence, probe: Probe, target: str | None) -> tuple[Cause, tuple[FrameRef, ...]]:
        """Why it was not reached: who had no route, or that nobody listened."""
        if complaint := trouble(evidence, [], submitted=True):
            return complaint.cause, ()
        if probe.answer == "refused" and isinstance(self.to, str):
            blame = trouble(evidence, [self.to], submitted=True)
            if blame is None and self.protocol == "tcp" and self.port:
                blame = listening(evidence, self.to, self.port)
            return (blame.cause if blame else causes.refused(self.source, self.to, self.port or 0)), ()
        if isinstance(self.to, str) and (cause := misrouted(evidence, self.source, self.to)):
            return cause, ()
        for point, capture in evidence.captures.items():
            for packet in capture.packets[capture.end :]:
                if no_route(packet):
                    node = who(evidence.plan, packet.src)
                    return causes.no_route(node, str(self.to)), (FrameRef(point, packet.number),)
        if probe.error == "ENETUNREACH":
            return causes.no_route(self.source, str(self.to)), ()
        return causes.unreachable(self.source, str(self.to)), ()


def _after_the_end(evidence: Evidence, target: str | None) -> Iterator[tuple[str, Packet]]:
    """What the interfaces of an address's node saw after the end mark: our own tries and what answered them."""
    owner = next((i for i in evidence.plan.interfaces for a in i.addresses if str(a.ip) == target), None)
    for interface in interfaces_of(evidence.plan, owner.node) if owner else ():
        capture = evidence.captures.get(interface.point)
        for packet in capture.packets[capture.end :] if capture else ():
            yield interface.point, packet


def _tried(probe: Probe) -> bool:
    """Whether something was sent, or the kernel itself said that there is no way."""
    return probe.sent > 0 or (probe.answer == "unreachable" and probe.error in ("ENETUNREACH", "EHOSTUNREACH"))


def _answer(probe: Probe) -> str:
    said = {
        "reply": "an answer came back",
        "refused": "refused: the node is there, and nobody listens on that port",
        "unreachable": "unreachable",
        "silence": "no answer came",
    }
    return said.get(probe.answer, str(probe.answer)) + (f" ({probe.error})" if probe.error else "")

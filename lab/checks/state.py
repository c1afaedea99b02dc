"""`state`: what the kernel of a node had: routes, neighbours, addresses, listening sockets, sysctls."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause, Check, Outcome, Verdict
from lab.checks.gaps import gaps, unusable
from lab.checks.names import interfaces_of, listed, who
from lab.checks.programs import idle, steps_on, trouble, unfinished, unready
from lab.checks.states import Route, addresses, neighbours, routes, section, sockets
from lab.evidence import Evidence
from lab.grammar import Address, Bool, Choice, Either, HostAddress, Mac, NodeName, Port, Prefix, Text, param
from lab.grammar.nets import AnyAddress, AnyPrefix
from lab.topology.sysctls import KEPT

_OBJECTS = ("route", "neighbour", "address", "listening", "sysctl")
_BESIDE = {"via": "route", "mac": "neighbour", "protocol": "listening", "value": "sysctl"}
_CAUSES = {"route": "wrong-route", "neighbour": "wrong-mac", "listening": "not-listening"}
_FLOOR = {"reachable", "stale", "delay", "probe", "permanent", "noarp"}  # states in which a neighbour's MAC is known


@dataclass(frozen=True)
class State(Check):
    """A node's kernel had a route, a neighbour, an address, a listening socket or a sysctl's value.

    `lab` asks the kernel itself, not the node's own tools, at three moments: before the steps, after the last one, and
    when connections had settled. A route to an address is the one that the kernel would take, that with the longest
    prefix and of these with the lowest metric; a route to a prefix is an entry for this very prefix. Only the main
    table is looked at. One that leads nowhere (blackhole, unreachable …) is no route to an address, but an entry that
    is not `absent`; with several next hops each has to be right, and none may be there that must be absent. A socket on
    a loopback address listens to no other node, nor does one of a family of which the node has no address; so it is not
    enough, and yet not `absent`. What is `absent` is known to be: the tables are whole.
    """

    kind: ClassVar[str] = "state"
    claims: ClassVar[tuple[str, ...]] = ("C4", "C5", "C7", "C14")
    rule: ClassVar[str] = "RFC 1812 §5.2.4.3 (longest match), RFC 826, rtnetlink(7), sock_diag(7)"
    says: ClassVar[str] = "client knows no MAC of r1"

    node: str = param(NodeName(), "the node whose kernel is asked")
    when: str = param(
        Choice("before", "after", "settled"), "before the steps, after them, or once settled", default="settled"
    )
    route: AnyAddress | AnyPrefix | None = param(
        Either(Address(), Prefix()), "an address that it has a route to, or a prefix with an entry", default=None
    )
    via: str | AnyAddress | None = param(
        Either(NodeName(), Address()), "the route's next hop; the node itself for a connected network", default=None
    )
    neighbour: str | AnyAddress | None = param(
        Either(NodeName(), Address()), "a neighbour whose MAC it knows, by node or by address", default=None
    )
    mac: str | None = param(Mac(), "the neighbour's MAC; that of the plan where a node is named", default=None)
    address: tuple[AnyAddress, int | None] | None = param(HostAddress(), "an address that it has", default=None)
    listening: int | None = param(Port(), "a port that a program of it listens on for others (UDP: has)", default=None)
    protocol: str = param(Choice("tcp", "udp"), "the port's protocol", default="tcp")
    sysctl: str | None = param(Choice(*KEPT), "a setting, of those that a run keeps", default=None)
    value: str | None = param(Text(), "the setting's value", default=None)
    absent: bool = param(Bool(), "whether it must not be there", default=False)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """One thing is asked for, with what belongs to it."""
        asked = [name for name in _OBJECTS if getattr(self, name) is not None]
        if len(asked) != 1:
            what = f"{listed(asked)} are asked for, where one is" if asked else "nothing is asked for"
            yield asked[1] if asked else "check", what, f"say one of {listed(_OBJECTS, 'or')}"
        for key, owner in _BESIDE.items():
            if key != "protocol" and getattr(self, key) is not None and owner not in asked:
                yield key, f"{key} says something about {owner}, which is not asked for", f"add {owner}:"
        if self.sysctl is not None and self.value is None:
            yield "sysctl", "a setting always has a value", "say by value: which one it must have"

    @property
    def _object(self) -> str:
        return next(name for name in _OBJECTS if getattr(self, name) is not None)

    def judge(self, evidence: Evidence) -> Verdict:
        """Look it up in what was recorded at that moment."""
        moment = {"before": "before the steps", "after": "after the steps", "settled": "once settled"}[self.when]
        expected = f"{self.node} {self._has()}, {moment}"
        if verdict := unusable(gaps(evidence, [], [self.node]), self.rule, expected):
            return verdict
        found = getattr(self, f"_{self._object}")(evidence)
        if found is None:
            seen = f"the kernel's state of {self.node} {moment} was not recorded"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        there, seen = found
        programs = self.absent or self._object in ("listening", "neighbour")  # what is there because they ran
        blame = idle(evidence, [self.node]) if programs else trouble(evidence, [], submitted=True)
        if there is not self.absent and not (self.absent and blame):
            return Verdict(Outcome.PASSED, self.rule, expected, seen)
        kind = "wrong-state" if self.absent else _CAUSES.get(self._object, "wrong-state")
        look = {"route": "ip route", "neighbour": "ip neigh", "address": "ip address", "listening": "ss -ltun"}
        cause = blame.cause if blame else Cause(
            kind, f"{self.node}: {seen}", f"{look.get(self._object, 'sysctl')} on {self.node}"
        )  # fmt: skip
        timed = self._may_be_late(evidence)
        return Verdict(Outcome.FAILED, self.rule, expected, seen, (), cause, blame.timed if blame else timed)

    def _may_be_late(self, evidence: Evidence) -> bool:
        """Whether what is wrong might have come right a little later: a socket opened or closed, a neighbour asked."""
        if self.when == "before" or self._object not in ("listening", "neighbour"):
            return False
        if self.absent:
            return self._object == "listening" and any(steps_on(evidence, [self.node]))
        return unfinished(evidence, [self.node]) or (self._object == "listening" and unready(evidence, [self.node]))

    def _has(self) -> str:
        wanted = self._wanted()
        if not self.absent:
            return f"has {wanted}"
        return f"has no {wanted[2:]}" if wanted.startswith("a ") else f"does not have {wanted}"

    def _wanted(self) -> str:
        match self._object:
            case "route":
                return f"a route to {self.route}" + (f" via {self.via}" if self.via is not None else "")
            case "neighbour":
                return f"the neighbour {self.neighbour}" + (f" with MAC {self.mac}" if self.mac else "")
            case "address":
                assert self.address is not None
                return f"the address {_written(self.address)}"
            case "listening":
                return f"a {self.protocol.upper()} socket on port {self.listening}"
        return f"{self.sysctl} = {self.value}"

    def _route(self, evidence: Evidence) -> tuple[bool, str] | None:
        table = routes(evidence, self.when, self.node)
        if table is None:
            return None
        entries = [route for route in table if self._fits(route)]
        if isinstance(self.route, AnyAddress):
            longest = max((route.to.prefixlen for route in entries), default=0)
            entries = [route for route in entries if route.to.prefixlen == longest]
        if not entries:
            known = listed([str(route.to) for route in table[:6]])
            return False, f"there is no route to {self.route}; there are routes to {known}"
        seen = f"the route to {self.route} is {listed([self._told(evidence, route) for route in entries])}"
        lowest = min(route.metric for route in entries)
        taken = [route for route in entries if route.metric == lowest]
        if not self.absent:
            return all(self._leads(evidence, route) for route in taken), seen
        if isinstance(self.route, AnyPrefix):
            return any(self.via is None or self._leads(evidence, route) for route in entries), seen
        return any(self._leads(evidence, route) for route in taken), seen

    def _fits(self, route: Route) -> bool:
        return route.to == self.route if isinstance(self.route, AnyPrefix) else self.route in route.to

    def _leads(self, evidence: Evidence, route: Route) -> bool:
        if route.kind:
            return False
        if self.via is None:
            return True
        if not isinstance(self.via, str):
            return route.via == self.via
        return (who(evidence.plan, route.via.packed) if route.via else self.node) == self.via

    def _told(self, evidence: Evidence, route: Route) -> str:
        if route.kind:
            return f"{route.to} ({route.kind})"
        if route.via is None:
            return f"{route.to} on {route.interface} itself"
        owner = who(evidence.plan, route.via.packed)
        return f"{route.to} via {route.via}" + (f" ({owner})" if owner != str(route.via) else " (nobody's address)")

    def _neighbour(self, evidence: Evidence) -> tuple[bool, str] | None:
        table = neighbours(evidence, self.when, self.node)
        if table is None:
            return None
        planned = {interface.mac for interface in evidence.plan.interfaces if interface.node == self.neighbour}
        right = {self.mac} if self.mac else planned
        known = [each for each in table if each.mac and each.state in _FLOOR]
        if isinstance(self.neighbour, str):
            entries = [each for each in known if who(evidence.plan, each.address.packed) == self.neighbour]
        else:
            entries = [each for each in known if each.address == self.neighbour]
        if not entries:
            return False, f"{self.node} knows no MAC of {self.neighbour}"
        seen = f"{self.node} knows " + listed([f"{each.address} as {each.mac} ({each.state})" for each in entries])
        if self.absent:  # any entry is one too many, or any with the MAC that is named
            return self.mac is None or any(each.mac == self.mac for each in entries), seen
        wrong = [each for each in entries if right and each.mac not in right]
        return not wrong, seen + (f", where {listed(sorted(right), 'or')} is right" if wrong else "")

    def _address(self, evidence: Evidence) -> tuple[bool, str] | None:
        table = addresses(evidence, self.when, self.node)
        if table is None:
            return None
        assert self.address is not None
        wanted, length = self.address
        there = any(each.ip == wanted and length in (None, each.network.prefixlen) for each in table)
        return there, f"{self.node} has {listed([str(each) for each in table])}"

    def _listening(self, evidence: Evidence) -> tuple[bool, str] | None:
        table = sockets(evidence, self.when, self.node)
        if table is None:
            return None
        states = ("LISTEN",) if self.protocol == "tcp" else ("OPEN", "CONNECTED")  # both have the port
        here = [each for each in table if each.protocol == self.protocol and each.state in states]
        told = sorted({f"{each.address} port {each.port}" for each in here})
        seen = f"{self.protocol.upper()} sockets of {self.node}: {listed(told)}"
        meant = [each for each in here if each.port == self.listening]
        own = [a.ip for interface in interfaces_of(evidence.plan, self.node) for a in interface.addresses]
        families = {a.version for a in (*own, *(addresses(evidence, self.when, self.node) or ()))} or {4, 6}
        if self.absent or any(not each.address.is_loopback and each.families & families for each in meant) or not meant:
            return bool(meant), seen
        return False, f"{seen}; what listens on {meant[0].address} hears no other node"

    def _sysctl(self, evidence: Evidence) -> tuple[bool, str] | None:
        recorded = section(evidence, self.when, self.node, "sysctls")
        found = recorded.get(self.sysctl) if isinstance(recorded, dict) else None
        if not isinstance(found, str) or self.value is None:
            return None
        return found.split() == self.value.split(), f"{self.sysctl} is {found}"


def _written(address: tuple[AnyAddress, int | None]) -> str:
    return str(address[0]) if address[1] is None else f"{address[0]}/{address[1]}"

"""`round-trips`: how often a conversation waited for an answer, and how long the links between its ends make that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause
from lab.checks.connections import Connection, Found, Seen, find, points_of
from lab.checks.diagnose import Fault
from lab.checks.names import address_of, addresses_of, count, listed
from lab.checks.programs import idle, trouble
from lab.checks.tcp import Praise, TcpCheck
from lab.evidence import Evidence
from lab.grammar import Int, param
from lab.plan.model import PlannedNetwork
from lab.plan.paths import expected_path
from lab.trace.packets import SYN, Packet

_TOLD = 4  # round trips whose times and frames are told


@dataclass(frozen=True)
class Trip:
    """A turn from asking to being answered: the first packet that asked, and the first that answered."""

    asked: Packet
    answered: Packet

    @property
    def milliseconds(self) -> float:
        """From the one to the other, at one capture."""
        return (self.answered.time - self.asked.time) / 1e6


@dataclass(frozen=True)
class RoundTrips(TcpCheck):
    """A connection took at most so many round trips, over links as slow as the topology says.

    Counted and timed at the connecting node's capture alone, so by one clock. A round trip begins with the first SYN
    or byte that the client sends after it was last answered, and ends with the SYN-ACK or byte that comes back: the
    handshake is one, and however many questions are on their way together are one. A SYN that was answered sooner
    than the delays of all links allow proves that the links were not there, and nothing can be said.
    """

    kind: ClassVar[str] = "round-trips"
    claims: ClassVar[tuple[str, ...]] = ("C6",)
    rule: ClassVar[str] = "RFC 9293 §3.5, §3.8; RFC 2681 §2.4 (round-trip delay)"
    says: ClassVar[str] = "client waited for 3 answers, one after the other"

    at_most: int = param(Int(1, 10_000), "so many round trips at most, the handshake's among them")

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        most = count(self.at_most, "round trip")
        return f"{self.source} gets its answers from {self.to}, port {self.port}, in {most} at most"

    def needed(self, evidence: Evidence) -> str | None:
        """A capture at the client, and links that were as slow as they should be."""
        if any(point not in evidence.captures for point in points_of(evidence, self.source)):
            return f"the exercise does not capture at {self.source}, where round trips are counted"
        for view in self._views(find(evidence, self.source, self.to, self.port).connections):
            least = sum(2 * max(0.0, each.link.delay - each.link.jitter) for each in self._links(evidence, view))
            trip = next(_trips(view), None)
            if trip is not None and trip.milliseconds < 1000 * least:
                return (f"a SYN was answered after {trip.milliseconds:.1f} ms, and the links between {self.source} and "
                        f"{self.to} take {1000 * least:.1f} ms at least: they were not there")  # fmt: skip
        return None

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """Nothing that is wrong with one connection by itself."""
        return None

    def fault_of_all(self, evidence: Evidence, found: Found, connections: Sequence[Connection]) -> Fault | None:
        """No answer at all, or too many turns."""
        trips = [(view, trip) for view in self._views(connections) for trip in _trips(view)]
        if not any(trip.answered.payload for _, trip in trips):
            seen = f"{self.to} never answered anything that {self.source} had sent"
            blame = trouble(evidence, [self.to, self.source], submitted=True) or idle(evidence, [self.source, self.to])
            cause = blame.cause if blame else Cause("no-answer", seen, "what is sent, and whether it is read")
            return Fault(seen, cause, (), timed=blame is None or blame.timed)
        if len(trips) <= self.at_most:
            return None
        seen = f"{self.source} waited for {len(trips)} answers, one after the other"
        refs = tuple(view.frame(packet) for view, trip in trips[:_TOLD] for packet in (trip.asked, trip.answered))
        look = "what the program could have sent already while it waited"
        return Fault(seen, Cause("waits-each-time", seen, look), refs, timed=True)

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The number of turns, how long the first one took, and what lies between the nodes."""
        views = self._views(connections)
        trips = [(view, trip) for view in views for trip in _trips(view)]
        times = [trip.milliseconds for _, trip in trips]
        told = [f"{each.name} ({each.link})" for each in self._links(evidence, views[0]) if not each.link.plain]
        over = f" over {listed(told)}" if told else ""
        took = ", ".join(f"{each:.1f}" for each in times[:_TOLD]) + (" …" if len(times) > _TOLD else "")
        shown = tuple(view.frame(packet) for view, trip in trips[:_TOLD] for packet in (trip.asked, trip.answered))
        return f"{count(len(trips), 'round trip')}{over}; they took {took} ms", shown

    def _views(self, connections: Sequence[Connection]) -> list[Seen]:
        return [each.at_client for each in connections if each.at_client is not None and each.established]

    def _links(self, evidence: Evidence, view: Seen) -> list[PlannedNetwork]:
        """The networks that a packet of the client's crosses, by the plan."""
        networks = {each.name: each for each in evidence.plan.networks}
        to = address_of(view.server.address)
        if to is None or view.client.address not in addresses_of(evidence.plan, self.source):
            return []
        path = expected_path(evidence.plan, self.source, to) or ()
        return [networks[interface.network] for interface in path]


def _trips(view: Seen) -> Iterator[Trip]:
    asked: Packet | None = None
    for packet in view.conversation.packets:
        if not packet.payload and not packet.flags & SYN:
            continue
        if (packet.src, packet.sport) == (view.client.address, view.client.port):
            asked = asked or packet
        elif asked is not None:
            yield Trip(asked, packet)
            asked = None

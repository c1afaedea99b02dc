"""What a relay does with a frame: forwards it as a learning switch does, late, twice or not at all. Without sockets.

The sender's capture sees every frame, for it is before the relay; the receiver's sees what the relay sends.
"""

from __future__ import annotations

import hashlib
import heapq
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.topology.links import PLAIN, Link, link_to_json
from lab.trace.fields import Sight, sights
from lab.trace.filter import parse_filter
from lab.trace.packets import decode

Send = Callable[[memoryview | bytes], object]  # raises OSError where the frame cannot be handed over

_QUEUE = 0.1  # seconds' worth of frames that wait for a link with a rate; what comes on top is dropped
_QUEUE_FRAMES = 10  # of the size of the one that comes: so many fit always, however slow the link
_MOST_WAITING = 20_000  # frames on their way through one relay: 30 MB of full ones
_MOST_MACS = 4096  # that a segment learns


@dataclass
class Rule:
    """What happens to the nth frames that a test admits: "drop", "duplicate", "hold" (for `seconds`), or "cut".

    "cut" lets the frame pass, then cuts `points` (for `seconds`, if there are any). `seen` counts the frames that fit.
    """

    id: str
    action: str
    test: Callable[[Sight], bool]
    nth: frozenset[int]
    seconds: float | None = None
    points: tuple[str, ...] = ()
    seen: int = 0
    struck: list[dict[str, Any]] = field(default_factory=list)


@dataclass(eq=False)
class Port:
    """An interface's place on its segment, and what became of frames: those that came from it, and those for it."""

    point: str
    segment: Segment
    send: Send
    fate: random.Random  # decides which of its frames are lost
    drift: random.Random  # by how much frames for it are early or late
    cut: bool = False
    free: float = 0.0  # when a link with a rate has sent all that waits for it
    last: float = 0.0  # when the last frame for it arrives: none overtakes it
    frames: int = 0  # that came from it
    lost: int = 0  # of these, by the link's loss
    overflowed: int = 0  # for it, dropped from a full queue
    blocked: int = 0  # from it and for it, while it was cut
    failed: int = 0  # for it, that the kernel did not take

    def counts(self) -> dict[str, Any]:
        """What became of frames here."""
        names = ("frames", "lost", "overflowed", "blocked", "failed", "cut")
        return {name: getattr(self, name) for name in names}


@dataclass(eq=False)
class Segment:
    """A network that the relay carries."""

    name: str
    ports: list[Port] = field(default_factory=list)
    link: Link = PLAIN
    table: dict[bytes, Port] = field(default_factory=dict)  # where a MAC was last seen
    rules: list[Rule] = field(default_factory=list)


class Switch:
    """The segments of one relay. Times are in seconds of one steady clock, which the caller reads."""

    def __init__(self) -> None:
        self.segments: dict[str, Segment] = {}
        self.ports: dict[str, Port] = {}
        self._waiting: list[tuple[float, int, Port | None, Any]] = []  # (when, number, to whom, frame); None: restore
        self._number = 0

    def add(self, network: str, seed: str, sends: Mapping[str, Send]) -> list[Port]:
        """Carry a network from now on: `sends` says how a frame reaches each capture point's interface."""
        segment = self.segments[network] = Segment(network)
        for point, send in sends.items():
            fate, drift = (random.Random(f"{seed} {point} {what}") for what in ("loss", "jitter"))
            self.ports[point] = Port(point, segment, send, fate, drift)
            segment.ports.append(self.ports[point])
        return segment.ports

    def set_rules(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Watch for these from now on, and for no others."""
        for segment in self.segments.values():
            segment.rules.clear()
        for told in rules:
            self.add_rule(told["network"], told)

    def add_rule(self, network: str, told: Mapping[str, Any]) -> None:
        """Watch a network's frames from now on."""
        test = parse_filter(told["packets"])
        nth, points = frozenset(told["nth"]), tuple(told.get("points", ()))
        rule = Rule(told["id"], told["action"], test, nth, told.get("seconds"), points)
        self.segments[network].rules.append(rule)

    def cut(self, points: Sequence[str], seconds: float | None, now: float) -> None:
        """Let no frame in from these interfaces and none out to them; what is on its way already arrives."""
        for point in points:
            self.ports[point].cut = True
        if seconds is not None:
            self._later(now + seconds, None, list(points))

    def restore(self, points: Sequence[str]) -> None:
        """Undo a cut."""
        for point in points:
            self.ports[point].cut = False

    def frame(self, port: Port, frame: memoryview, now: float) -> None:
        """Take a frame that an interface sent."""
        if self._waiting and self._waiting[0][0] <= now:
            self.deliver(now)
        port.frames += 1
        if port.cut:
            port.blocked += 1
            return
        if len(frame) < 14:
            return
        segment = port.segment
        copies, hold, struck = _strike(segment, port, frame) if segment.rules else (1, 0.0, [])
        if segment.link.loss and port.fate.random() < segment.link.loss:
            port.lost += 1
        elif copies:
            if len(segment.table) < _MOST_MACS:
                segment.table[bytes(frame[6:12])] = port
            known = None if frame[0] & 1 else segment.table.get(bytes(frame[:6]))
            for out in (known,) if known else segment.ports:
                if out is not port:
                    for _ in range(copies):
                        self._forward(out, frame, now, hold)
        for rule in struck:
            if rule.action == "cut":
                self.cut(rule.points, rule.seconds, now)

    def _forward(self, out: Port, frame: memoryview, now: float, hold: float) -> None:
        if out.cut:
            out.blocked += 1
            return
        link = out.segment.link
        at = now
        if link.rate:
            takes = len(frame) * 8 / link.rate
            if out.free - now > max(_QUEUE, _QUEUE_FRAMES * takes):
                out.overflowed += 1
                return
            out.free = at = max(out.free, now) + takes
        if link.delay:
            at += link.delay + (out.drift.uniform(-link.jitter, link.jitter) if link.jitter else 0.0)
        at = out.last = max(at, out.last)
        if at + hold <= now:
            _hand_over(out, frame)
        elif len(self._waiting) < _MOST_WAITING:
            self._later(at + hold, out, bytes(frame))
        else:
            out.overflowed += 1

    def _later(self, at: float, out: Port | None, what: Any) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (at, self._number, out, what))

    @property
    def due(self) -> float | None:
        """When there is something to do next, if no frame comes."""
        return self._waiting[0][0] if self._waiting else None

    def deliver(self, now: float) -> None:
        """Do what is due."""
        while self._waiting and self._waiting[0][0] <= now:
            _, _, out, what = heapq.heappop(self._waiting)
            if out is None:
                self.restore(what)
            else:
                _hand_over(out, what)

    def report(self) -> dict[str, Any]:
        """What the relay carries, what became of frames there, and which rules have struck."""
        return {
            "networks": {
                segment.name: {
                    "link": link_to_json(segment.link),
                    "ports": {port.point: port.counts() for port in segment.ports},
                }
                for segment in self.segments.values()
            },
            "rules": {
                rule.id: {"seen": rule.seen, "struck": rule.struck}
                for segment in self.segments.values()
                for rule in segment.rules
            },
            "waiting": sum(out is not None for _, _, out, _ in self._waiting),
        }


def _strike(segment: Segment, port: Port, frame: memoryview) -> tuple[int, float, list[Rule]]:
    """How often a frame is forwarded, how much later, and which rules struck; a dropped one meets no further rule."""
    data = bytes(frame)
    sight = next(sights([decode(1, 0, len(data), data)]))
    copies, hold, struck = 1, 0.0, []
    for rule in segment.rules:
        if not rule.test(sight):
            continue
        rule.seen += 1
        if rule.seen not in rule.nth:
            continue
        told = {"time": time.time_ns(), "nth": rule.seen, "point": port.point}
        rule.struck.append({**told, "sha256": hashlib.sha256(data).hexdigest()})
        struck.append(rule)
        if rule.action == "drop":
            return 0, 0.0, struck
        if rule.action == "duplicate":
            copies += 1
        elif rule.action == "hold":
            hold += rule.seconds or 0.0
    return copies, hold, struck


def _hand_over(out: Port, frame: memoryview | bytes) -> None:
    try:
        out.send(frame)
    except OSError:  # the interface is down, or the kernel has no room for it
        out.failed += 1

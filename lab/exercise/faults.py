"""Faults of an exercise: what goes wrong on the way, exactly when, and in every run alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

from lab import grammar as g
from lab.grammar import Context, Record
from lab.grammar.refs import Reference
from lab.topology.model import Interface, Topology

Action = Literal["drop", "duplicate", "hold", "cut", "restore", "stop", "restart"]

ON_FRAMES = ("drop", "duplicate", "hold")


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong, or right again.

    A "drop", "duplicate" or "hold" meets the frames that `packets` admits on `network`, the nth of them. A "cut" and
    "restore" are about a network or an interface (`target`), a "stop" and "restart" about a node; they come `before` or
    `after` a step, or once the nth frame has passed. `seconds` is how long a frame is held, or a cut lasts.
    """

    id: str
    action: Action
    target: str = ""
    network: str | None = None
    packets: str | None = None
    nth: tuple[int, ...] = (1,)
    before: str | None = None
    after: str | None = None
    seconds: float | None = None

    @property
    def moment(self) -> str:
        """When it happens, in words."""
        if self.packets is not None:
            count = " and ".join(f"no. {number}" for number in self.nth)
            return f"packet {count} with {self.packets} on {self.network}"
        return f"before {self.before}" if self.before else f"after {self.after}"

    def points(self, topology: Topology) -> tuple[str, ...]:
        """The capture points of the interfaces that a cut, a restore, a stop or a restart is about."""
        return tuple(
            f"{node.name}:{each.name}"
            for node in topology.nodes
            for each in node.interfaces
            if self.target in ((node.name,) if self.action in ("stop", "restart") else _cables(node.name, each))
        )


def _cables(node: str, interface: Interface) -> tuple[str, str]:
    return interface.network, f"{node}:{interface.name}"


class Cable(Reference):
    """A network of the topology, or one interface's link to it."""

    kind = "cable"
    label = "network or capture point"
    pattern = "[A-Za-z][A-Za-z0-9_-]{0,30}(:[A-Za-z][A-Za-z0-9_-]{0,14})?"

    def __init__(self) -> None:
        self.expected = "a network such as wan, or an interface such as client:eth0"


FAULT = g.Struct(
    "a fault",
    g.Key("id", g.Name("a fault's id"), "What it is called, in reports and in the check fault", required=True),
    g.Key("drop", g.Filter(), "The packets of which one is dropped"),
    g.Key("duplicate", g.Filter(), "The packets of which one arrives twice"),
    g.Key("hold", g.Filter(), "The packets of which one is held back, so that later ones overtake it"),
    g.Key("cut", Cable(), "The network or the interface that is cut off: nothing gets in or out"),
    g.Key("restore", Cable(), "The network or the interface that is joined again"),
    g.Key("stop", g.NodeName(), "The node that stops: its links are cut, then its steps' programs killed"),
    g.Key("restart", g.NodeName(), "The node whose links are joined again; a later step starts its programs"),
    g.Key("network", g.NetworkName(), "Where packets are looked at; not needed where there is one network only"),
    g.Key("nth", g.List(g.Int(1, 1_000_000), empty=False, most=1000, single=True),
          "Which of the packets: 1 (the default) is the first, [1, 3] the first and the third"),
    g.Key("before", g.StepName(), "It happens right before this step begins"),
    g.Key("after", g.StepName(), "It happens once this step is ready, or where it is not in the background, has ended"),
    g.Key("when", g.Filter(), "It happens when the nth of these packets has passed"),
    g.Key("for", g.Duration(most=60), "How long a packet is held, 200ms by default, or a cut lasts"),
    doc="Something that goes wrong at a named moment, in every run alike",
    one_of=("drop", "duplicate", "hold", "cut", "restore", "stop", "restart"),
)  # fmt: skip


def build_fault(record: Record, topology: Topology, context: Context) -> Fault:
    """The fault of a record; worth nothing where problems were reported on the way."""
    action = next((key for key in FAULT.one_of if key in record), "drop")
    on_frames = action in ON_FRAMES
    packets = record.get(action if on_frames else "when")
    network = record.get("network")
    if packets is not None and network is None and "network" not in record:
        if len(topology.networks) == 1:
            network = topology.networks[0].name
        else:
            context.report(record.place, "nothing says on which network the packets are looked at", "add network: NAME")
    for key in ("network", "nth"):
        if key in record and not on_frames and "when" not in record:
            context.report(record.at(key), f"{key} stands without packets that are meant", "add when: FILTER")
    if "for" in record and action not in ("hold", "cut"):
        context.report(record.at("for"), f"{action} has no duration", "only hold and cut have one")
    given = [key for key in ("before", "after", "when") if key in record]
    if on_frames:
        for key in given:
            context.report(record.at(key), f"a {action} has its moment from its packets", f"leave {key} out")
    elif len(given) != 1:
        what = f"{action} has {' and '.join(given)}" if given else f"nothing says when {action} happens"
        context.report(record.place, what, "exactly one of before, after, when is needed")
    elif action in ("restore", "restart") and "when" in record:
        hint = "say before or after a step; a cut ends by itself with for: 500ms"
        context.report(record.at("when"), f"{action} cannot wait for a packet", hint)
    return Fault(
        record.get("id", ""),
        cast(Action, action),
        "" if on_frames else record.get(action, ""),
        network,
        packets,
        record.get("nth", (1,)),
        record.get("before"),
        record.get("after"),
        record.get("for", 0.2 if action == "hold" else None),
    )

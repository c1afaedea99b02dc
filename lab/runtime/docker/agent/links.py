"""What a lab's links do to frames, where the Engine's bridges do not: its first agent owns the relay of the lab, and
hears of the others' orders at a socket in the helper's own /run.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lab.runtime.docker.agent import wiring
from lab.runtime.docker.agent.nodes import Node
from lab.runtime.netns import child
from lab.runtime.netns.channel import Channel, Message
from lab.runtime.relay.owner import Owner

_PLACE = "/run/lab-links"
_ANSWER = 10.0  # seconds for the first agent; its relay has five
_CARRIER = 2.0  # seconds until the nodes have seen that the other end of their links has moved
_LOOK = 0.002


class Links:
    """The links of one lab, in its first agent; the relay starts with the first network that it is to carry."""

    def __init__(self, lab: str, nodes: Mapping[str, Node]) -> None:
        ports: dict[str, dict[str, int]] = {}
        for name, node in nodes.items():
            for interface in node.plan["interfaces"]:
                peer = node.peers[interface["name"]]
                ports.setdefault(interface["network"], {})[f"{name}:{interface['name']}"] = peer
        self._nodes = nodes
        self._owner = Owner(lab, ports, child.fork, apart=True)

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Have the relay carry out an order; raises OSError where it cannot."""
        report = self._owner.ask(order)
        self._await_carrier(set(order.get("networks", ())))
        return report

    def _await_carrier(self, networks: set[str]) -> None:
        """The end of a link that changes its place goes down for a moment, which the other end may see."""
        deadline = time.monotonic() + _CARRIER
        for node in self._nodes.values():
            names = {each["name"] for each in node.plan["interfaces"] if each["network"] in networks}
            while names and _without_carrier(node, names) and time.monotonic() < deadline:
                time.sleep(_LOOK)


def _without_carrier(node: Node, names: Iterable[str]) -> bool:
    assert node.route is not None, "its first agent has wired it"
    return any(link.up and not link.running for link in wiring.links(node.route) if link.name in names)


def listen() -> socket.socket:
    """Where the lab's other agents leave their orders."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(_PLACE)
    listener.listen()
    return listener


def answer(listener: socket.socket, handle: Callable[[Message], Message]) -> None:
    """Have `handle` take the order of another agent, which waits."""
    connection, _ = listener.accept()
    connection.settimeout(_ANSWER)
    channel = Channel(connection)
    with contextlib.closing(channel), contextlib.suppress(OSError):
        received = channel.receive()
        if received is None:
            return
        try:
            told = handle(received[0])
        except OSError as error:
            told = {"failed": error.strerror or str(error), "errno": error.errno}
        channel.send(told)


def forward(message: Message) -> Message:
    """Hand an order to the lab's first agent; its answer."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.settimeout(_ANSWER)
    channel = Channel(connection)
    with contextlib.closing(channel):
        try:
            connection.connect(_PLACE)
            channel.send(message)
            received = channel.receive()
        except TimeoutError:
            raise OSError(110, f"the lab's first agent did not answer within {_ANSWER:.0f} s") from None
        except OSError as error:
            raise OSError(error.errno, "the lab's first agent, which owns its links, is gone") from None
    if received is None:
        raise OSError(32, "the lab's first agent, which owns its links, is gone")
    return received[0]

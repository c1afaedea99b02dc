"""What labs have in common whose owner is asked over a channel: a keeper of namespaces, an agent among containers."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lab.errors import NotMeasuredError
from lab.runtime.base import Program

if TYPE_CHECKING:
    from lab.plan import Plan

Message = dict[str, Any]

_ANSWER_LIMIT = 30.0  # seconds in which an owner answers anything


class Output:
    """What a program writes to one of its outputs; kept up to a limit, counted beyond it."""

    def __init__(self, keep: int) -> None:
        self.data = bytearray()
        self.lost = 0
        self._keep = keep

    def add(self, chunk: bytes) -> None:
        """Take what came."""
        room = max(0, self._keep - len(self.data))
        self.data += chunk[:room]
        self.lost += max(0, len(chunk) - room)


class Process:
    """Implements `lab.runtime.base.Process`: a program that the owner of a lab has started."""

    def __init__(self, lab: AskedLab, number: int, keep: int, record: int) -> None:
        self._lab = lab
        self.number = number
        self.stdout = Output(keep)
        self.stderr = Output(keep)
        self.calls = Output(record) if record else None
        self.exit_code: int | None = None
        self.ended_at = 0
        self.began = True
        self.left = False
        self.exceeded = False
        self.open_outputs = 0

    @property
    def running(self) -> bool:
        """Whether it has not ended, or not all of its output has been read."""
        return self.exit_code is None or self.open_outputs > 0

    def signal(self, number: int, *, tree: bool = False) -> None:
        """Send a signal to the program, or to everything it has started too; may be called from a signal handler."""
        if self.exit_code is None:
            self._lab.tell({"do": "signal", "process": self.number, "signal": int(number), "tree": tree})

    def ports(self) -> list[int] | None:
        """The local ports of the sockets that the program and all that it started hold now."""
        ports: list[int] = self._lab.ask({"do": "ports", "process": self.number})["ports"]
        return ports

    def end(self, status: int, *, began: bool) -> None:
        """Note that it has ended, with a wait status of Linux's, which other systems' Python cannot read."""
        self.exit_code = 128 + (status & 0x7F) if status & 0x7F else status >> 8
        self.ended_at = time.time_ns()
        self.began = began


class AskedLab(ABC):
    """The part of `lab.runtime.base.LiveLab` that is requests and answers, whatever carries them."""

    owner = "owner"  # what an error calls it

    def __init__(self, name: str, plan: Plan) -> None:
        self.name = name
        self.plan = plan
        self._answers: dict[int, Message] = {}
        self._probes: dict[int, Message] = {}
        self._processes: dict[int, Process] = {}

    @abstractmethod
    def tell(self, message: Message) -> None:
        """A request that is not answered."""

    @abstractmethod
    def request(self, message: Message) -> int:
        """Send a request whose answer is to be awaited later; its number."""

    @abstractmethod
    def wait(self, done: Callable[[], bool], timeout: float, poll: float | None = None) -> bool:
        """Serve programs and their output until `done()` holds or the time is over; see `LiveLab.wait`."""

    @abstractmethod
    def _serve(self, timeout: float) -> object:
        """Take what comes next, if it comes in time."""

    def ask(self, message: Message) -> Message:
        """One request and its answer; raises NotMeasuredError for a failure or an owner that does not answer."""
        return self.await_answer(self.request(message), message)

    def await_answer(self, number: int, message: Message) -> Message:
        """The answer to a request; see `ask`."""
        deadline = time.monotonic() + _ANSWER_LIMIT
        while number not in self._answers:
            if time.monotonic() > deadline:
                what = f"the {self.owner} of lab {self.name} did not answer within {_ANSWER_LIMIT:.0f} s"
                raise NotMeasuredError(what)
            self._serve(1.0)
        answer = self._answers.pop(number)
        if "failed" in answer:
            node = message.get("node", self.name)
            where = node["name"] if isinstance(node, dict) else node
            raise NotMeasuredError(f"{message['do']} on {where}: {answer['failed']}")
        return answer

    def _take(self, message: Message) -> None:
        """Take a message of the owner's."""
        if "ended" in message:
            process = self._processes.get(message["ended"])
            if process:
                process.end(message["status"], began=message.get("began", True))
                process.exceeded = message.get("exceeded", False)
        elif "left" in message:
            process = self._processes.get(message["left"])
            if process:
                process.left = True
                process.exceeded = message.get("exceeded", False)
        elif "probed" in message:
            self._probes[message["probed"]] = message
        elif "answer" in message:
            self._answers[message["answer"]] = message

    def state(self, nodes: Iterable[str], *, sockets_only: bool = False) -> dict[str, Any]:
        """What the kernel says of the nodes; see `lab.runtime.netns.kernelstate`."""
        answer = self.ask({"do": "state", "nodes": list(nodes), "sockets_only": sockets_only})
        nodes_state: dict[str, Any] = answer["nodes"]
        return nodes_state

    def probe(self, node: str, to: str, protocol: str, port: int | None, timeout: float) -> dict[str, Any]:
        """Try to reach an address from a node."""
        message = {"do": "probe", "node": node, "to": to, "protocol": protocol, "port": port, "timeout": timeout}
        number = self.request(message)
        self.await_answer(number, message)
        if not self.wait(lambda: number in self._probes, timeout + 5):
            raise NotMeasuredError(f"a probe from {node} to {to} gave no result")
        result = self._probes.pop(number)
        return {key: result[key] for key in ("sent", "answer", "error")}

    def relay(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Change links and set faults; see `LiveLab.relay`."""
        report: dict[str, Any] = self.ask({"do": "relay", "lab": self.plan.name, "order": dict(order)})["relay"]
        return report


def start_message(program: Program) -> Message:
    """The request that starts a program, without what its streams are."""
    return {
        "do": "start",
        "node": program.node,
        "kind": program.kind,
        "argv": list(program.argv),
        "env": dict(program.env or {}),
        "folder": program.folder,
        "mounts": list(program.mounts),
        "limits": asdict(program.limits),
        "cwd": program.cwd,
        "file_size": program.file_size,
        "privilege": program.privilege,
        "lingers": program.lingers,
        "handed_in": program.handed_in,
    }

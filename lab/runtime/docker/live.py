"""A lab of containers that is up, seen from `lab`'s side of the connection to its agent."""

from __future__ import annotations

import base64
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lab.errors import NotMeasuredError
from lab.plan import Plan
from lab.runtime.base import Program
from lab.runtime.docker import frames
from lab.runtime.docker.connection import Connection
from lab.runtime.docker.frames import Message

if TYPE_CHECKING:
    from lab.runtime.docker.own import Images

_ANSWER_LIMIT = 30.0  # seconds in which an agent answers anything
_LOOK = 3.0  # seconds without a word from the agent after which the Engine is asked for it
_SIZE_POLL = 0.3  # seconds between two looks at the size of a terminal


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
    """A program in the lab."""

    def __init__(self, lab: DockerLab, number: int, keep: int, record: int, outputs: int) -> None:
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
        self.open_outputs = outputs + bool(record)

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


class DockerLab:
    """Implements `lab.runtime.base.LiveLab` over an agent; `alive` asks the Engine whether its container still runs."""

    def __init__(
        self, name: str, plan: Plan, connection: Connection, alive: Callable[[], bool], images: Images
    ) -> None:
        self.name = name
        self.plan = plan
        self._connection = connection
        self._alive = alive
        self.images = images
        self._end: Callable[[], None] | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, Message] = {}
        self._probes: dict[int, Message] = {}
        self._processes: dict[int, Process] = {}
        self._machine: Message | None = None
        self._heard = time.monotonic()

    def await_ready(self) -> Message:
        """Wait until the agent serves; what it says of the Engine's machine."""
        deadline = time.monotonic() + _ANSWER_LIMIT
        while self._machine is None:
            if time.monotonic() > deadline:
                raise NotMeasuredError(f"the agent of lab {self.name} did not start within {_ANSWER_LIMIT:.0f} s")
            self._serve(1.0)
        return self._machine

    def put(self, node: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Lay files (relative path → content) into a node's writable folder; all of them may be executed."""
        told = {name: base64.b64encode(content).decode() for name, content in files.items()}
        self.ask({"do": "put", "node": node, "folder": folder, "files": told})

    def start(self, program: Program) -> Process:
        """Start a program; raises NotMeasuredError when the agent could not."""
        if program.kind == "step" and self.plan.by_name[program.node].image:
            self.images.expect_running(program.node)
        number = next(self._numbers)
        terminal = program.stdin if program.terminal and isinstance(program.stdin, int) else None
        message = {
            "do": "start",
            "process": number,
            "node": program.node,
            "kind": program.kind,
            "argv": list(program.argv),
            "env": dict(program.env or {}),
            "folder": program.folder,
            "mounts": list(program.mounts),
            "limits": asdict(program.limits),
            "cwd": program.cwd,
            "file_size": program.file_size,
            "record": program.record > 0,
            "privilege": program.privilege,
            "lingers": program.lingers,
            **({"terminal": True, "size": _size(terminal)} if terminal is not None else {}),
        }
        for kind, fd in ((frames.STDOUT, program.stdout), (frames.STDERR, program.stderr)):
            if fd is not None:
                self._connection.pass_on(number, kind, fd)
        process = Process(self, number, program.keep, program.record, 1 if terminal is not None else 2)
        self._processes[number] = process
        if terminal is not None:
            _be_raw(terminal)
        try:
            self.ask(message)
        except BaseException:
            del self._processes[number]
            raise
        if terminal is not None:
            threading.Thread(target=self._follow_size, args=(process, os.dup(terminal)), daemon=True).start()
        if isinstance(program.stdin, int):
            self._connection.feed_from(number, program.stdin)
        else:
            self._connection.feed(number, program.stdin or b"")
        return process

    def _follow_size(self, process: Process, terminal: int) -> None:
        size = _size(terminal)
        while process.exit_code is None:
            time.sleep(_SIZE_POLL)
            if size != (size := _size(terminal)):
                self.tell({"do": "resize", "process": process.number, "size": size})
        os.close(terminal)

    def wait(self, done: Callable[[], bool], timeout: float, poll: float | None = None) -> bool:
        """Serve programs and their output until `done()` holds or the time is over; see `LiveLab.wait`."""
        deadline = time.monotonic() + timeout
        self._serve_waiting()
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._serve(min(left, poll or left))
        return True

    def _serve_waiting(self) -> None:
        while self._serve(0):
            pass

    def _serve(self, timeout: float) -> bool:
        try:
            # On Windows nothing interrupts a long wait.
            most = _LOOK if os.name == "posix" else _LOOK / 10
            kind, number, content = self._connection.receive(min(timeout, most))
        except TimeoutError:
            self._look_after()
            return False
        except EOFError:
            raise self._ended() from None
        self._heard = time.monotonic()
        if kind == frames.JSON:
            self._take(frames.unpack_message(content))
        elif number in self._processes:
            process = self._processes[number]
            if content:
                output = {frames.STDOUT: process.stdout, frames.STDERR: process.stderr}.get(kind, process.calls)
                assert output is not None, "its calls are sent where they were asked for"
                output.add(content)
            else:
                process.open_outputs -= 1
        return True

    def _look_after(self) -> None:
        """Some Engines never end the stream of a helper that was killed: ask them, when nothing has come for long."""
        if time.monotonic() - self._heard >= _LOOK:
            self._heard = time.monotonic()
            if not self._alive():
                raise self._ended()

    def _ended(self) -> NotMeasuredError:
        said = bytes(self._connection.trouble).decode(errors="replace").strip()
        hint = said or "its helper was killed, or lab down ran"
        return NotMeasuredError(f"lab {self.name} ended while it was in use", hint=hint)

    def _take(self, message: Message) -> None:
        if "ended" in message:
            process = self._processes.get(message["ended"])
            if process:
                process.exit_code = _code(message["status"])
                process.ended_at = time.time_ns()
        elif "left" in message:
            if message["left"] in self._processes:
                self._processes[message["left"]].left = True
        elif "taken" in message:
            self._connection.taken(message["taken"])
        elif "probed" in message:
            self._probes[message["probed"]] = message
        elif "ready" in message:
            self._machine = message["machine"]
        elif "answer" in message:
            self._answers[message["answer"]] = message

    def tell(self, message: Message) -> None:
        """A request that is not answered."""
        self._connection.send(frames.pack_message(message))

    def ask(self, message: Message, limit: float = _ANSWER_LIMIT) -> Message:
        """One request and its answer; raises NotMeasuredError for a failure or an agent that does not answer."""
        return self.await_answer(self.request(message), message, limit)

    def request(self, message: Message) -> int:
        """Send a request whose answer is to be awaited later; its number. Any thread may do that."""
        number = next(self._numbers)
        self.tell({**message, "id": number})
        return number

    def await_answer(self, number: int, message: Message, limit: float = _ANSWER_LIMIT) -> Message:
        """The answer to a request; see `ask`."""
        deadline = time.monotonic() + limit
        while number not in self._answers:
            if time.monotonic() > deadline:
                raise NotMeasuredError(f"the agent of lab {self.name} did not answer within {limit:.0f} s")
            self._serve(1.0)
        answer = self._answers.pop(number)
        if "failed" in answer:
            node = message.get("node", self.name)
            where = node["name"] if isinstance(node, dict) else node
            raise NotMeasuredError(f"{message['do']} on {where}: {answer['failed']}")
        return answer

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

    def troubles(self) -> list[str]:
        """Which programs of the nodes' own images have ended with an error."""
        return self.images.troubles()

    def end_with(self, end: Callable[[], None]) -> None:
        """Have `end` take the lab down when this is closed."""
        self._end = end

    def last(self) -> None:
        """Have the lab live on when this is closed."""
        self.ask({"do": "stay"})
        self._end = None

    def close(self) -> None:
        """Let go; a lab without a name ends with this, and it is waited for."""
        if self._end is not None:
            self._end()
            self._end = None
        self._connection.close()


def _code(status: int) -> int:
    """The exit code behind a wait status of Linux's, which other systems' Python cannot read."""
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8


def _size(terminal: int) -> tuple[int, int]:
    size = os.get_terminal_size(terminal)
    return size.lines, size.columns


def _be_raw(terminal: int) -> None:
    """The program's own terminal is in its container: this one must pass on every byte as it is."""
    import tty

    tty.setraw(terminal)

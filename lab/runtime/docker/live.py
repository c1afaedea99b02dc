"""A lab of containers that is up, seen from `lab`'s side of the connection to its agent."""

from __future__ import annotations

import base64
import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lab.errors import NotMeasuredError
from lab.plan import Plan
from lab.runtime.asked import AskedLab, Message, Process, start_message
from lab.runtime.base import Program
from lab.runtime.docker import frames
from lab.runtime.docker.connection import Connection

if TYPE_CHECKING:
    from lab.runtime.docker.own import Images

_ANSWER_LIMIT = 30.0  # seconds in which an agent answers anything
_LOOK = 3.0  # seconds without a word from the agent after which the Engine is asked for it
_SIZE_POLL = 0.3  # seconds between two looks at the size of a terminal


class DockerLab(AskedLab):
    """Implements `lab.runtime.base.LiveLab` over an agent; `alive` asks the Engine whether its container still runs."""

    owner = "agent"

    def __init__(
        self, name: str, plan: Plan, connection: Connection, alive: Callable[[], bool], images: Images
    ) -> None:
        super().__init__(name, plan)
        self._connection = connection
        self._alive = alive
        self.images = images
        self._end: Callable[[], None] | None = None
        self._numbers = itertools.count(1)
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
            **start_message(program),
            "process": number,
            "record": program.record > 0,
            **({"terminal": True, "size": _size(terminal)} if terminal is not None else {}),
        }
        for kind, fd in ((frames.STDOUT, program.stdout), (frames.STDERR, program.stderr)):
            if fd is not None:
                self._connection.pass_on(number, kind, fd)
        process = Process(self, number, program.keep, program.record)
        process.open_outputs = (1 if terminal is not None else 2) + (program.record > 0)
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
        if "taken" in message:
            self._connection.taken(message["taken"])
        elif "ready" in message:
            self._machine = message["machine"]
        else:
            super()._take(message)

    def tell(self, message: Message) -> None:
        """A request that is not answered."""
        self._connection.send(frames.pack_message(message))

    def request(self, message: Message) -> int:
        """Send a request whose answer is to be awaited later; its number. Any thread may do that."""
        number = next(self._numbers)
        self.tell({**message, "id": number})
        return number

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


def _size(terminal: int) -> tuple[int, int]:
    size = os.get_terminal_size(terminal)
    return size.lines, size.columns


def _be_raw(terminal: int) -> None:
    """The program's own terminal is in its container: this one must pass on every byte as it is."""
    import tty

    tty.setraw(terminal)

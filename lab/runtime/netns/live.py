"""A lab that is up, seen from `lab`'s side of the channel to its keeper."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from lab.errors import NotMeasuredError
from lab.plan import Plan
from lab.runtime.base import Program
from lab.runtime.netns.channel import Channel, Message

_ANSWER_LIMIT = 30.0  # seconds in which a keeper answers anything
_CHUNK = 1 << 16


class Output:
    """What a program writes to one of its outputs; kept up to a limit, counted beyond it."""

    def __init__(self, keep: int) -> None:
        self.data = bytearray()
        self.lost = 0
        self._keep = keep

    def add(self, chunk: bytes) -> None:
        """Take what was read."""
        room = max(0, self._keep - len(self.data))
        self.data += chunk[:room]
        self.lost += max(0, len(chunk) - room)


class Process:
    """A program in the lab."""

    def __init__(self, lab: NetnsLab, number: int, keep: int, record: int) -> None:
        self._lab = lab
        self.number = number
        self.stdout = Output(keep)
        self.stderr = Output(keep)
        self.calls: Output | None = Output(record) if record else None
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


class NetnsLab:
    """Implements `lab.runtime.base.LiveLab` over a keeper; one thread, everything is served inside `wait`."""

    def __init__(self, name: str, plan: Plan, channel: Channel) -> None:
        self.name = name
        self.plan = plan
        self._channel = channel
        self._next = 0
        self._answers: dict[int, Message] = {}
        self._probes: dict[int, Message] = {}
        self._processes: dict[int, Process] = {}
        self._outputs: dict[int, tuple[Process, Output]] = {}
        self._poll = select.poll()
        self._poll.register(channel, select.POLLIN)
        self._lost = False

    def put(self, node: str, folder: str, files: Mapping[str, bytes]) -> None:
        """Lay files (relative path → content) into a node's writable folder; all of them may be executed."""
        memory = _memory(b"".join(files.values()))
        told = [(name, len(content)) for name, content in files.items()]
        try:
            self.ask({"do": "put", "node": node, "folder": folder, "files": told}, [memory])
        finally:
            os.close(memory)

    def start(self, program: Program) -> Process:
        """Start a program; raises NotMeasuredError when the keeper could not."""
        opened: list[int] = []
        reads: list[int] = []
        try:
            stdio = [self._stdin(program.stdin, opened)]
            for given in (program.stdout, program.stderr):
                if given is not None:
                    stdio.append(given)
                    continue
                stdio.append(self._pipe(opened, reads))
            if program.record:
                stdio.append(self._pipe(opened, reads))
                os.fchmod(stdio[-1], 0o622)  # strace opens it by its name, in a lab of root's as another user
            message = {
                "do": "start",
                "node": program.node,
                "kind": program.kind,
                "argv": list(program.argv),
                "env": dict(program.env or {}),
                "folder": program.folder,
                "mounts": list(program.mounts),
                "limits": asdict(program.limits),
                "cwd": program.cwd,
                "terminal": program.terminal,
                "file_size": program.file_size,
                "privilege": program.privilege,
                "lingers": program.lingers,
            }
            answer = self.ask(message, stdio)
        except BaseException:
            for fd in reads:
                os.close(fd)
            raise
        finally:
            for fd in opened:
                os.close(fd)
        process = Process(self, answer["process"], program.keep, program.record)
        self._processes[process.number] = process
        outputs = [
            out for out, given in ((process.stdout, program.stdout), (process.stderr, program.stderr)) if given is None
        ]
        if process.calls is not None:
            outputs.append(process.calls)
        for fd, output in zip(reads, outputs, strict=True):
            os.set_blocking(fd, False)
            self._outputs[fd] = (process, output)
            self._poll.register(fd, select.POLLIN)
            process.open_outputs += 1
        return process

    def _pipe(self, opened: list[int], reads: list[int]) -> int:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        reads.append(reader)
        opened.append(writer)
        return writer

    def _stdin(self, given: bytes | int | None, opened: list[int]) -> int:
        if isinstance(given, int):
            return given
        fd = _memory(given) if given else os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        opened.append(fd)
        return fd

    def wait(self, done: Callable[[], bool], timeout: float, poll: float | None = None) -> bool:
        """Serve programs and their output until `done()` holds or the time is over; see `LiveLab.wait`."""
        deadline = time.monotonic() + timeout
        while not done():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._serve(min(left, poll) if poll else left)
        return True

    def _serve(self, timeout: float) -> None:
        for fd, _ in self._poll.poll(min(timeout, 3600.0) * 1000):
            if fd == self._channel.fileno():
                self._receive()
            else:
                self._read(fd)

    def _read(self, fd: int) -> None:
        process, output = self._outputs[fd]
        with contextlib.suppress(BlockingIOError):
            chunk = os.read(fd, _CHUNK)
            if chunk:
                output.add(chunk)
                return
            self._poll.unregister(fd)
            os.close(fd)
            del self._outputs[fd]
            process.open_outputs -= 1

    def _receive(self) -> None:
        received = self._channel.receive()
        if received is None:
            if not self._lost:
                self._lost = True
                self._poll.unregister(self._channel)
            raise NotMeasuredError(
                f"lab {self.name} ended while it was in use", hint="its keeper was killed, or lab down ran"
            )
        message, _ = received
        if "ended" in message:
            process = self._processes.pop(message["ended"], None)
            if process:
                code = os.waitstatus_to_exitcode(message["status"])
                process.exit_code = code if code >= 0 else 128 - code
                process.ended_at = time.time_ns()
                process.began = message["began"]
                process.exceeded = message["exceeded"]
        elif "left" in message:
            if message["left"] in self._processes:
                self._processes[message["left"]].left = True
                self._processes[message["left"]].exceeded = message["exceeded"]
        elif "probed" in message:
            self._probes[message["probed"]] = message
        else:
            self._answers[message["answer"]] = message

    def tell(self, message: Message, fds: Iterable[int] = ()) -> None:
        """A request that is not answered; raises NotMeasuredError when the keeper is gone."""
        try:
            self._channel.send(message, list(fds))
        except OSError as error:
            raise NotMeasuredError(f"lab {self.name} is gone: {error.strerror}") from None

    def ask(self, message: Message, fds: Iterable[int] = ()) -> Message:
        """One request and its answer; raises NotMeasuredError for a failure or a keeper that does not answer."""
        self._next += 1
        number = self._next
        self.tell({**message, "id": number}, fds)
        deadline = time.monotonic() + _ANSWER_LIMIT
        while number not in self._answers:
            if time.monotonic() > deadline:
                raise NotMeasuredError(f"the keeper of lab {self.name} did not answer within {_ANSWER_LIMIT:.0f} s")
            self._serve(1.0)
        answer = self._answers.pop(number)
        if "failed" in answer:
            raise NotMeasuredError(f"{message['do']} on {message.get('node', self.name)}: {answer['failed']}")
        return answer

    def state(self, nodes: Iterable[str], *, sockets_only: bool = False) -> dict[str, Any]:
        """What the kernel says of the nodes; see `lab.runtime.netns.kernelstate`."""
        answer = self.ask({"do": "state", "nodes": list(nodes), "sockets_only": sockets_only})
        nodes_state: dict[str, Any] = answer["nodes"]
        return nodes_state

    def probe(self, node: str, to: str, protocol: str, port: int | None, timeout: float) -> dict[str, Any]:
        """Try to reach an address from a node."""
        message = {"do": "probe", "node": node, "to": to, "protocol": protocol, "port": port, "timeout": timeout}
        self.ask(message)
        number = self._next
        if not self.wait(lambda: number in self._probes, timeout + 5):
            raise NotMeasuredError(f"a probe from {node} to {to} gave no result")
        result = self._probes.pop(number)
        return {key: result[key] for key in ("sent", "answer", "error")}

    def relay(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Change links and set faults; see `LiveLab.relay`."""
        report: dict[str, Any] = self.ask({"do": "relay", "order": dict(order)})["relay"]
        return report

    def troubles(self) -> list[str]:
        """None: what could fail of such a lab ends it."""
        return []

    def close(self) -> None:
        """Let go; a lab without a name ends with this, and it is waited for."""
        for fd in self._outputs:
            os.close(fd)
        self._outputs.clear()
        self._channel.close()


def _memory(content: bytes) -> int:
    """A descriptor from which `content` can be read."""
    fd = os.memfd_create("content", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd

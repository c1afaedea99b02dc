"""A lab that is up, seen from `lab`'s side of the channel to its keeper."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable, Iterable, Mapping

from lab.errors import NotMeasuredError
from lab.plan import Plan
from lab.runtime.asked import AskedLab, Message, Output, Process, start_message
from lab.runtime.base import Program
from lab.runtime.netns.channel import Channel

_CHUNK = 1 << 16


class NetnsLab(AskedLab):
    """Implements `lab.runtime.base.LiveLab` over a keeper; one thread, everything is served inside `wait`."""

    owner = "keeper"

    def __init__(self, name: str, plan: Plan, channel: Channel) -> None:
        super().__init__(name, plan)
        self._channel = channel
        self._next = 0
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
            message = {**start_message(program), "terminal": program.terminal}
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
        self._take(received[0])

    def tell(self, message: Message, fds: Iterable[int] = ()) -> None:
        """A request that is not answered; raises NotMeasuredError when the keeper is gone."""
        try:
            self._channel.send(message, list(fds))
        except OSError as error:
            raise NotMeasuredError(f"lab {self.name} is gone: {error.strerror}") from None

    def request(self, message: Message, fds: Iterable[int] = ()) -> int:
        """Send a request whose answer is to be awaited later; its number."""
        self._next += 1
        self.tell({**message, "id": self._next}, fds)
        return self._next

    def ask(self, message: Message, fds: Iterable[int] = ()) -> Message:
        """One request and its answer; raises NotMeasuredError for a failure or a keeper that does not answer."""
        return self.await_answer(self.request(message, fds), message)

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

"""The streams of the programs that an agent has started: pipes or a terminal on its side, frames on the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import selectors
import struct
import termios
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from lab.runtime.docker import frames

Send = Callable[[bytes], None]

_PIPE = 1 << 20  # bytes that a pipe holds: as many as Linux gives without privilege


@dataclass
class Started:
    """A program with the agent's ends of its streams."""

    number: int
    step: str = ""  # the node of a step, which has a sandbox
    pid: int = -1
    stdin: int | None = None
    pending: deque[bytes] = field(default_factory=deque)
    finished: bool = False  # no more input will come
    kinds: dict[int, int] = field(default_factory=dict)  # of each output's frames
    outputs: set[int] = field(default_factory=set)
    terminal: bool = False
    room: int | None = None  # bytes of standard output that are passed on, where they are bounded
    left: int | None = None  # where it tells its exit code, if others still run then
    code: int | None = None  # that code
    memory: int = 0  # bytes that it may have with all that it started; 0 for no bound
    lingers: bool = False
    ended_before: int = 0  # processes of its node that the kernel had ended for lack of memory
    ended_by_us: bool = False
    exceeded: bool = False


class Streams:
    """Moves bytes between programs and the channel."""

    def __init__(self, selector: selectors.BaseSelector, send: Send, may_read: Callable[[], bool]) -> None:
        self._selector = selector
        self._send = send
        self._may_read = may_read

    def pipes(self, started: Started) -> tuple[int, int, int]:
        """Make a program's streams; returns its own ends, to be closed here once it has them."""
        theirs_in, started.stdin = os.pipe2(os.O_CLOEXEC)
        ends = [theirs_in]
        os.set_blocking(started.stdin, False)
        for kind in (frames.STDOUT, frames.STDERR):
            reader, writer = os.pipe2(os.O_CLOEXEC)
            with contextlib.suppress(OSError):
                fcntl.fcntl(writer, 1031, _PIPE)  # F_SETPIPE_SZ: a tcpdump must not wait for its reader
            self._watch(started, reader, kind)
            ends.append(writer)
        return ends[0], ends[1], ends[2]

    def record(self, started: Started) -> int:
        """Where a program's system calls are to be written, closed here once that has been handed on."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        self._watch(started, reader, frames.CALLS)
        return writer

    def terminal(self, started: Started, rows: int, columns: int) -> tuple[int, int, int]:
        """Make a pseudo-terminal of that size instead."""
        ours, theirs = pty.openpty()
        for fd in (ours, theirs):
            os.set_inheritable(fd, False)
        started.terminal = True
        started.stdin = ours
        self.resize(started, rows, columns)
        os.set_blocking(ours, False)
        self._watch(started, ours, frames.STDOUT)
        return theirs, theirs, theirs

    def resize(self, started: Started, rows: int, columns: int) -> None:
        """Tell a terminal its size."""
        if started.terminal and started.stdin is not None:
            fcntl.ioctl(started.stdin, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def _watch(self, started: Started, fd: int, kind: int) -> None:
        started.outputs.add(fd)
        started.kinds[fd] = kind
        self._selector.register(fd, selectors.EVENT_READ, lambda mask: self._move(started, fd, mask))

    def _move(self, started: Started, fd: int, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._write(started)
        if mask & selectors.EVENT_READ and fd in started.outputs:
            self._read(started, fd)

    def _read(self, started: Started, fd: int) -> None:
        if not self._may_read():
            return
        try:
            data = os.read(fd, frames.CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last program on the terminal is gone
            data = b""
        self._pass_on(started, fd, data)

    def _pass_on(self, started: Started, fd: int, data: bytes) -> None:
        """Send what was read of an output; nothing is its end. What is beyond its bound is read, and let go."""
        kind = started.kinds[fd]
        kept = data
        if kind == frames.STDOUT and started.room is not None:
            kept = data[: started.room]
            started.room -= len(kept)
        if kept or not data:
            self._send(frames.pack(kind, started.number, kept))
        if not data:
            self.drop(started, fd)

    def drain(self, started: Started) -> None:
        """Read all that an ended program has left, however much waits already: at most what a pipe holds."""
        for fd in list(started.outputs):
            os.set_blocking(fd, False)
            left = _PIPE
            while left > 0 and fd in started.outputs:
                try:
                    data = os.read(fd, frames.CHUNK)
                except BlockingIOError:
                    break
                except OSError:
                    data = b""
                left -= len(data)
                self._pass_on(started, fd, data)

    def drop(self, started: Started, fd: int) -> None:
        """Let go of an output."""
        self._selector.unregister(fd)
        started.outputs.discard(fd)
        os.close(fd)
        if fd == started.stdin:
            started.stdin = None

    def feed(self, started: Started, data: bytes) -> None:
        """Take what is to become a program's input; nothing is its end."""
        if started.stdin is None:
            self._taken(started, len(data))
            return
        if data:
            started.pending.append(data)
        else:
            started.finished = True
        self._write(started)

    def _write(self, started: Started) -> None:
        fd = started.stdin
        assert fd is not None
        while started.pending:
            try:
                count = os.write(fd, started.pending[0])
            except BlockingIOError:
                self._want_write(started, True)
                return
            except OSError:  # nobody reads it any more
                self._taken(started, sum(map(len, started.pending)))
                started.pending.clear()
                started.finished = True
                break
            self._taken(started, count)
            rest = started.pending.popleft()[count:]
            if rest:
                started.pending.appendleft(rest)
        self._want_write(started, False)
        if started.finished and not started.terminal:
            self.close_stdin(started)

    def _taken(self, started: Started, count: int) -> None:
        if count:
            self._send(frames.pack_message({"taken": started.number, "bytes": count}))

    def _want_write(self, started: Started, wanted: bool) -> None:
        fd = started.stdin
        if fd is None:
            return
        events = selectors.EVENT_READ if started.terminal else 0
        registered = fd in self._selector.get_map()
        if wanted and not registered:
            self._selector.register(fd, selectors.EVENT_WRITE, lambda _: self._write(started))
        elif wanted:
            self._selector.modify(fd, events | selectors.EVENT_WRITE, self._selector.get_key(fd).data)
        elif registered and events:
            self._selector.modify(fd, events, self._selector.get_key(fd).data)
        elif registered:
            self._selector.unregister(fd)

    def close_stdin(self, started: Started) -> None:
        """End a program's input."""
        fd = started.stdin
        if fd is not None and not started.terminal:
            if fd in self._selector.get_map():
                self._selector.unregister(fd)
            os.close(fd)
            started.stdin = None

"""The connection to an agent: a byte stream of the Engine's, read and written by threads of its own.

Threads rather than select(): the Engine may be behind TLS or, on Windows, a named pipe, and a signal handler must be
able to send at any moment.
"""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
from typing import Any

from lab.runtime.docker import frames

Incoming = tuple[int, int, bytes]


class Connection:
    """Frames to and from an agent; what a program writes to a given descriptor is passed on at once."""

    def __init__(self, stream: Any, greeting: bytes) -> None:
        # The SDK wraps a Unix socket in a reader of its own; a TLS socket or a named pipe comes as it is.
        self._socket = getattr(stream, "_sock", stream)
        self._kept = stream
        self._socket.settimeout(None)
        self._out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # No SimpleQueue: CPython's (3.11) waits for ever where a signal comes as the time is over.
        self._in: queue.Queue[Incoming | None] = queue.Queue()
        self._targets: dict[tuple[int, int], int] = {}
        self._windows: dict[int, threading.Semaphore] = {}
        self.trouble = bytearray()  # what the agent said outside its frames: why it could not begin
        self.send(greeting)
        for work in (self._write, self._read):
            threading.Thread(target=work, daemon=True).start()

    def send(self, data: bytes) -> None:
        """Send without waiting; safe in a signal handler."""
        self._out.put(data)

    def receive(self, timeout: float) -> Incoming:
        """The next frame for the caller; raises TimeoutError, and EOFError when the agent is gone."""
        try:
            found = self._in.get(timeout=timeout) if timeout > 0 else self._in.get_nowait()
        except queue.Empty:
            raise TimeoutError from None
        if found is None:
            self._in.put(None)
            raise EOFError
        return found

    def pass_on(self, number: int, kind: int, fd: int) -> None:
        """Write what comes of a program's output to a descriptor, which is closed at its end."""
        self._targets[number, kind] = os.dup(fd)

    def feed(self, number: int, content: bytes) -> None:
        """Send a program all of its input."""
        for start in range(0, len(content), frames.CHUNK):
            self.send(frames.pack(frames.STDIN, number, content[start : start + frames.CHUNK]))
        self.send(frames.pack(frames.STDIN, number, b""))

    def feed_from(self, number: int, fd: int) -> None:
        """Send a program what comes from a descriptor, no faster than it reads."""
        window = threading.Semaphore(frames.WINDOW // frames.CHUNK)
        self._windows[number] = window
        own = os.dup(fd)

        def pump() -> None:
            with contextlib.suppress(OSError):
                while True:
                    window.acquire()
                    data = os.read(own, frames.CHUNK)
                    self.send(frames.pack(frames.STDIN, number, data))
                    if not data:
                        return

        threading.Thread(target=pump, daemon=True).start()

    def taken(self, number: int) -> None:
        """A program has read one more piece of its input."""
        if number in self._windows:
            self._windows[number].release()

    def close(self) -> None:
        """End the connection."""
        self._out.put(None)
        with contextlib.suppress(OSError):
            self._socket.shutdown(2)
        with contextlib.suppress(OSError):
            self._socket.close()
        with contextlib.suppress(OSError):
            self._kept.close()
        for fd in self._targets.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        self._targets.clear()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (data := self._out.get()) is not None:
                self._socket.sendall(data)

    def _read(self) -> None:
        engine, stream = frames.EngineStreams(), frames.Frames()
        with contextlib.suppress(OSError, ValueError):
            while data := self._socket.recv(1 << 18):
                for which, piece in engine.feed(data):
                    if which == frames.ENGINE_STDERR:
                        self.trouble += piece[: 1 << 16]
                        continue
                    for frame in stream.feed(piece):
                        self._take(frame)
        self._in.put(None)

    def _take(self, frame: Incoming) -> None:
        kind, number, content = frame
        target = self._targets.get((number, kind))
        if target is None:
            self._in.put(frame)
            return
        with contextlib.suppress(OSError):  # its reader is gone: the program need not know
            _write(target, content)
        if not content:
            os.close(self._targets.pop((number, kind)))
            self._in.put(frame)


def _write(fd: int, content: bytes) -> None:
    """Write all of it, to a descriptor that somebody else may have set not to block too."""
    view = memoryview(content)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            select.select([], [fd], [])

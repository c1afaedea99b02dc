"""The agent's end of the connection to `lab`: its standard input and output, of which neither may ever block it."""

from __future__ import annotations

import os
import selectors
from collections import deque
from collections.abc import Iterator

from lab.runtime.docker import frames

_MOST_WAITING = 4 << 20  # bytes on their way to `lab`: beyond that programs have to wait


class Connection:
    """`selector` tells when what waits can be written."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._frames = frames.Frames()
        self._out: deque[bytes] = deque()
        self._waiting = 0
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether `lab` is behind, so that nothing should be added that can wait."""
        return self._waiting >= _MOST_WAITING

    def receive(self) -> Iterator[tuple[int, int, bytes]] | None:
        """The frames that came, as (kind, number, content); None once `lab` has gone."""
        try:
            data = os.read(0, 1 << 18)
        except BlockingIOError:
            return iter(())
        return self._frames.feed(data) if data else None

    def say(self, message: frames.Message) -> None:
        """Send a message."""
        self.send(frames.pack_message(message))

    def send(self, data: bytes) -> None:
        """Send frames, as soon as they can be written; nothing after `close()`."""
        if self._closed:
            return
        self._out.append(data)
        self._waiting += len(data)
        self._flush()

    def close(self) -> None:
        """Neither read nor write any more: the connection is gone, and its agent lives on."""
        self._closed = True
        self._drop()
        for fd in (0, 1):
            if fd in self._selector.get_map():
                self._selector.unregister(fd)

    def _flush(self, _: int = 0) -> None:
        while self._out:
            try:
                count = os.write(1, self._out[0])
            except BlockingIOError:
                if 1 not in self._selector.get_map():
                    self._selector.register(1, selectors.EVENT_WRITE, self._flush)
                return
            except OSError:
                self._drop()
                break
            self._waiting -= count
            rest = self._out.popleft()[count:]
            if rest:
                self._out.appendleft(rest)
        if 1 in self._selector.get_map():
            self._selector.unregister(1)

    def _drop(self) -> None:
        self._out.clear()
        self._waiting = 0

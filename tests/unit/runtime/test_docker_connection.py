"""The connection to an agent, on a pair of sockets."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from types import FrameType

import pytest

from lab.runtime.docker.connection import Connection

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a signal at a chosen moment")


@pytest.fixture
def connection() -> Iterator[Connection]:
    ours, theirs = socket.socketpair()
    made = Connection(ours, b"")
    yield made
    made.close()
    theirs.close()


def test_a_signal_as_the_time_is_over_makes_no_wait_without_end(connection: Connection) -> None:
    """The end of a child as the time is over: queue.SimpleQueue, up to CPython 3.12, then waits for ever."""
    times: list[float] = []

    def handle(_: int, __: FrameType | None) -> None:
        times.append(time.monotonic())
        if len(times) > 1:
            raise AssertionError("it waits for ever")
        time.sleep(0.05)  # beyond the end of the wait

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.005, 5)
    try:
        with pytest.raises(TimeoutError):
            connection.receive(0.02)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(times) == 1

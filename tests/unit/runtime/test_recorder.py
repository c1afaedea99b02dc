"""A sandbox that waits is let go only when nothing that it does can escape its tracer."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lab.gather import steps
from lab.runtime.netns import recorder

pytestmark = pytest.mark.kernel
SEIZE, INTERRUPT = 0x4206, 0x4207  # ptrace(2)
BUSY = 0.3  # seconds between the two


def _trace(report: int) -> None:
    """In a forked child: seize a process that waits, be busy, and interrupt it only then."""
    libc = ctypes.CDLL(None, use_errno=True)
    tracee = os.fork()
    if tracee == 0:
        signal.pause()
        os._exit(0)
    libc.ptrace(SEIZE, tracee, None, None)
    os.write(report, b"%d\n" % tracee)
    until = time.monotonic() + BUSY
    while time.monotonic() < until:
        pass
    os.write(report, b"interrupts\n")
    libc.ptrace(INTERRUPT, tracee, None, None)
    os.waitpid(tracee, 0)
    signal.pause()


def test_a_tracer_that_has_not_interrupted_yet_is_waited_for() -> None:
    heard, report = os.pipe()
    tracer = os.fork()
    if tracer == 0:
        try:
            _trace(report)
        finally:
            os._exit(1)
    try:
        tracee = int(os.read(heard, 100))
        recorder._await_tracer(tracee, tracer)
        os.set_blocking(heard, False)
        assert os.read(heard, 100) == b"interrupts\n"
    finally:
        os.kill(tracer, signal.SIGKILL)
        os.waitpid(tracer, 0)
        os.kill(tracee, signal.SIGKILL)
        os.close(heard)
        os.close(report)


@pytest.mark.parametrize("missed", [True, False])
def test_a_record_that_missed_the_beginning_is_none(missed: bool) -> None:
    """Nothing that was missed is held against the program: what it asks for cannot be measured."""
    data = b'5 1.000000 execve("/usr/bin/python3", [], 0) = 0\n5 1.100000 +++ exited with 0 +++\n'
    said = b"strace: Stray PTRACE_EVENT_EXEC from pid 5, trying to recover...\n"
    record = SimpleNamespace(data=said + data if missed else data, lost=0)
    running = SimpleNamespace(process=SimpleNamespace(calls=record), step=SimpleNamespace(name="server"))
    found = list(steps._record_gaps(cast("Any", running)))
    assert [(gap.owner, "begins too late" in gap.what) for gap in found] == [("lab", True)] * missed

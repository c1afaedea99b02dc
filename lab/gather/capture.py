"""tcpdump at every capture point: proved listening before anything happens, drained before its frames are counted."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lab.errors import NotMeasuredError
from lab.evidence import Gap
from lab.runtime.base import LiveLab, Process, Program

_START_LIMIT = 20.0  # seconds for tcpdump to listen
_DRAIN_LIMIT = 10.0  # seconds for it to have written all that it received
_BUFFER_KIB = 4096
_HEADROOM = 64  # bytes of a frame beyond the MTU: Ethernet header, tags, and some to see that nothing was cut
_MOST_FRAMES = 100_000  # of one capture point: beyond that nobody reads it, and a flood would fill the disk
_MOST_BYTES = 32 << 20
_FLOOD = 20_000  # frames: a capture that lost some of so many was flooded, one that lost some of a few is our fault
_COUNTS = re.compile(
    rb"(\d+) packets? captured(?:, |\n)(\d+) packets? received by filter(?:, |\n)(\d+) packets? dropped by kernel"
)


@dataclass(frozen=True)
class Machine:
    """What captures: the release of the kernel, and what tcpdump says of itself in its first two lines."""

    kernel: str = "unknown"
    tcpdump: str = "unknown"


_machines: dict[type[LiveLab], Machine] = {}  # all labs of one kind that a process brings up are on the same machine


def machine(lab: LiveLab) -> Machine:
    """The machine that a lab's packets are captured on, which need not be this one."""
    kind = type(lab)
    if kind not in _machines:
        argv = ("sh", "-c", "uname -r; tcpdump --version 2>&1")
        asked = lab.start(Program(lab.plan.nodes[0].name, argv, kind="tool"))
        lab.wait(lambda: not asked.running, _START_LIMIT)
        kernel, *said = asked.stdout.data.decode(errors="replace").splitlines() or ["unknown"]
        _machines[kind] = Machine(kernel, ", ".join(said[:2]) or "unknown")
    return _machines[kind]


@dataclass(frozen=True)
class Counts:
    """tcpdump's own counters: `received` by the kernel for it, of which `captured` are written and `dropped` lost."""

    captured: int
    received: int
    dropped: int

    @property
    def drained(self) -> bool:
        """Whether every frame received so far is written or counted as lost."""
        return self.captured + self.dropped >= self.received


class CapturePoint:
    """One tcpdump at one interface, writing to one file."""

    def __init__(self, lab: LiveLab, point: str, path: Path) -> None:
        self.point = point
        self.path = path
        self._lab = lab
        interface = lab.plan.points[point]
        # Created here, never opened by a name that a program could have planted.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self.process: Process = lab.start(
                Program(
                    interface.node,
                    _command(interface.name, interface.mtu),
                    kind="tool",
                    stdout=fd,
                    file_size=_MOST_BYTES,
                )
            )
        finally:
            os.close(fd)
        self._asked = 0
        self.died = False  # before it was told to end

    @property
    def listening(self) -> bool:
        """Whether it says that it listens, which it does after its socket is bound."""
        return b"listening on" in self.process.stderr.data

    @property
    def dead(self) -> bool:
        """Whether it has ended."""
        return self.process.exit_code is not None

    def ask(self) -> None:
        """Have it print its counters."""
        self._asked += 1
        self.process.signal(signal.SIGUSR1)

    @property
    def answered(self) -> bool:
        """Whether it has printed as often as it was asked."""
        return len(_COUNTS.findall(self.process.stderr.data)) >= self._asked

    @property
    def counts(self) -> Counts:
        """What it printed last."""
        found = _COUNTS.findall(self.process.stderr.data)
        return Counts(*map(int, found[-1])) if found else Counts(0, 0, 0)

    @property
    def said(self) -> str:
        """Its last words, for an error message."""
        return self.process.stderr.data.decode(errors="replace").strip()


def _command(interface: str, mtu: int) -> tuple[str, ...]:
    # Default buffering loses what is in it when tcpdump ends early, and still reports no drop; a default snapshot
    # length leaves a ring with few slots, which overflows.
    precise = ("--immediate-mode", "-s", str(mtu + _HEADROOM), "-B", str(_BUFFER_KIB), "--time-stamp-precision=nano")
    return ("tcpdump", "-i", interface, "-n", "-U", "-c", str(_MOST_FRAMES), *precise, "-w", "-")


class Captures:
    """The captures of one run."""

    def __init__(self, lab: LiveLab, points: Iterable[str], folder: Path) -> None:
        self._lab = lab
        self._points = [CapturePoint(lab, point, folder / f"{point.replace(':', '.')}.pcap") for point in points]
        ready = lab.wait(lambda: all(point.listening or point.dead for point in self._points), _START_LIMIT)
        for point in self._points:
            if not ready or point.dead:
                raise NotMeasuredError(f"tcpdump at {point.point} did not start: {point.said or 'it said nothing'}")

    def count(self) -> tuple[dict[str, int], tuple[Gap, ...]]:
        """Drain, and return each point's number of frames so far, with a gap for each that could not be drained."""
        deadline = time.monotonic() + _DRAIN_LIMIT
        waiting = [point for point in self._points if not point.dead]
        while waiting and time.monotonic() < deadline:
            for point in waiting:
                point.ask()
            self._await_answers(waiting, deadline - time.monotonic())
            waiting = [point for point in waiting if not point.dead and not point.counts.drained]
        gaps = [Gap(f"{_left(point)} when the run ended", point.point, "lab") for point in waiting]
        return {point.point: point.counts.captured for point in self._points}, tuple(gaps)

    def losses(self, *, by_submission: bool) -> Iterator[Gap]:
        """What each capture lost; a flood is the doing of the student's program, where one runs."""
        for point in self._points:
            counts = point.counts
            # tcpdump goes on, and goes on counting, when it can write no more.
            flooded = counts.captured >= _MOST_FRAMES or point.path.stat().st_size >= _MOST_BYTES
            owner: Literal["lab", "submission"] = "lab"
            if by_submission and (flooded or counts.received >= _FLOOD):
                owner = "submission"
            if flooded:
                yield Gap("the capture was full: far more packets than the exercise needs", point.point, owner)
            elif point.died:
                yield Gap(f"tcpdump ended early: {point.said}", point.point, "lab")
            if counts.dropped:
                yield Gap(f"tcpdump lost {counts.dropped} of {counts.received} frames", point.point, owner)

    def _await_answers(self, points: list[CapturePoint], timeout: float) -> None:
        self._lab.wait(lambda: all(point.answered or point.dead for point in points), timeout)

    def counts(self) -> Mapping[str, Counts]:
        """Each point's counters as last asked."""
        return {point.point: point.counts for point in self._points}

    def stop(self) -> None:
        """End every tcpdump and wait until its file is whole."""
        for point in self._points:
            point.died = point.dead
            with contextlib.suppress(NotMeasuredError):
                point.process.signal(signal.SIGTERM)
        self._lab.wait(lambda: all(point.dead for point in self._points), _DRAIN_LIMIT)


def _left(point: CapturePoint) -> str:
    counts = point.counts
    return f"{counts.received - counts.dropped - counts.captured} received frames were not yet written"

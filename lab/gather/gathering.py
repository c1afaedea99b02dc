"""The evidence of one run, gathered on a live lab: state, captures, steps, settling, end mark, probes."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from lab.evidence import Gap, Mark, Probe
from lab.exercise import Exercise, HandedIn
from lab.gather.capture import Captures, Machine, machine
from lab.gather.faults import Faults
from lab.gather.rundir import RunDirectory, exercise_digest
from lab.gather.steps import Marks, Steps
from lab.plan import Plan
from lab.runtime.base import LiveLab, Runtime

Say = Callable[[str], None]

_AT_REST = {"LISTEN", "TIME-WAIT", "CLOSED"}
_SETTLE_POLL = 0.005  # seconds between two looks at the kernel's sockets
_PROBE_LIMIT = 2.0  # seconds for an answer to one of our own probes


class Gathering:
    """Gathers the evidence of one run on a live lab."""

    def __init__(self, exercise: Exercise, plan: Plan, handed_in: HandedIn, directory: RunDirectory, say: Say) -> None:
        self._exercise = exercise
        self._plan = plan
        self._handed_in = handed_in
        self._directory = directory
        self._say = say
        self._nodes = [node.name for node in plan.nodes]
        self._captures: Captures | None = None
        self._points = exercise.capture or tuple(plan.points)
        self._steps: Steps | None = None
        self._faults: Faults | None = None
        self._marks: list[Mark] = []
        self._gaps: list[Gap] = []
        self._probes: list[Probe] = []
        self._states: list[str] = []
        self._machine = Machine()

    def gather(self, lab: LiveLab) -> None:
        """State, captures, steps, settling, the end mark, probes: in this order."""
        self._faults = Faults(lab, self._exercise, self._plan)
        self._faults.begin()
        self._state(lab, "before")
        self._captures = Captures(lab, self._points, self._directory.path)
        try:
            self._machine = machine(lab)
            self._steps = Steps(
                lab,
                self._exercise,
                self._handed_in,
                Marks(self._before_ending, self._after_ending),
                self._directory.path.name,
                self._faults,
            )
            self._steps.run()
            self._state(lab, "after")
            self._settle(lab)
            self._mark("end")
            self._faults.finish()
            self._state(lab, "settled")
            self._probe(lab)
            self._steps.finish()
            self._gaps.extend(Gap(trouble, "", "lab") for trouble in lab.troubles())
        finally:
            self._captures.stop()

    def _state(self, lab: LiveLab, phase: str) -> None:
        self._say(
            f"reading the kernel's state {phase} the steps" if phase != "settled" else "reading the settled state"
        )
        self._directory.write_json(f"state/{phase}.json", lab.state(self._nodes))
        self._states.append(phase)

    def _mark(self, name: str) -> None:
        self._marks.append(Mark(name, self._count(name)))

    def _before_ending(self, name: str, step: str, ports: list[int] | None, beside: bool) -> None:
        own = None if ports is None else tuple(ports)
        self._marks.append(Mark(name, self._count(name), step, own, None, beside))

    def _after_ending(self, step: str) -> None:
        """Note how far the captures were when the program was really gone."""
        number = next(n for n in reversed(range(len(self._marks))) if self._marks[n].step == step)
        self._marks[number] = replace(self._marks[number], ended=self._count(f"{step} is gone"))

    def _count(self, name: str) -> dict[str, int]:
        assert self._captures is not None
        frames, gaps = self._captures.count()
        self._say(f"mark {name}: {sum(frames.values())} frames")
        self._gaps.extend(gap for gap in gaps if gap not in self._gaps)
        return frames

    def _settle(self, lab: LiveLab) -> None:
        """Wait until every TCP socket listens, is in TIME-WAIT or is gone."""

        assert self._faults is not None
        assert self._steps is not None
        faults, steps = self._faults, self._steps

        def settled() -> bool:
            steps.tend()
            if not faults.idle:
                return False
            state = lab.state(self._nodes, sockets_only=True)
            sockets = (socket for node in state.values() for socket in node["sockets"])
            return all(socket["protocol"] != "tcp" or socket["state"] in _AT_REST for socket in sockets)

        if not lab.wait(settled, self._exercise.settle, _SETTLE_POLL):
            self._say(f"connections were still open after {self._exercise.settle:g} s")

    def _probe(self, lab: LiveLab) -> None:
        for graded in self._exercise.checks:
            for wanted in graded.check.probes(self._plan):
                answer = lab.probe(wanted.node, str(wanted.to), wanted.protocol, wanted.port, _PROBE_LIMIT)
                probe = Probe(graded.id, wanted.node, str(wanted.to), wanted.protocol, wanted.port, **answer)
                self._say(f"probe {probe.node} → {probe.to} {probe.protocol}: {probe.answer}")
                self._probes.append(probe)

    def write(
        self, started: float, runtime: Runtime, gaps: tuple[Gap, ...], confirms: Path | None, standing: str | None
    ) -> None:
        """Keep everything that was gathered, whole or not."""
        counts = self._captures.counts() if self._captures else {}
        if self._captures:
            self._gaps.extend(self._captures.losses(by_submission=self._exercise.runs_submission))
        if self._steps:
            self._gaps.extend(self._steps.gaps())
        if self._faults:
            self._gaps.extend(self._faults.gaps())
        self._directory.write_steps(self._steps.results() if self._steps else {})
        self._directory.write_manifest(
            exercise={"name": self._exercise.name, "sha256": exercise_digest(self._exercise)},
            values=dict(self._exercise.values),
            submission=self._directory.tell_submission(self._exercise, self._handed_in),
            confirms=str(confirms) if confirms else None,
            standing=standing,
            started=started,
            seconds=round(time.time() - started, 3),
            runtime=runtime.name,
            memory_bound=runtime.memory_bound,
            kernel=self._machine.kernel,
            python=platform.python_version(),
            tools={"tcpdump": self._machine.tcpdump},
            captures=[
                {"point": point, "file": f"{point.replace(':', '.')}.pcap", **asdict(count)}
                for point, count in counts.items()
            ],
            marks=[asdict(mark) for mark in self._marks],
            probes=[asdict(probe) for probe in self._probes],
            states=self._states,
            **(self._faults.told(self._directory.path) if self._faults else {}),
            gaps=[asdict(gap) for gap in (*self._gaps, *gaps)],
        )

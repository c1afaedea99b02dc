"""The spine: an exercise becomes a lab, the lab evidence, the evidence a grade."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

from lab import capture
from lab.capture import Captures
from lab.errors import InterruptedRunError, NotMeasuredError
from lab.evidence import Evidence, Gap, Mark, Probe
from lab.exercise import Exercise
from lab.grade import Grade
from lab.grade import judge as judge_evidence
from lab.plan import Plan, make_plan
from lab.rundir import RunDirectory, exercise_digest, load
from lab.runtime.base import LiveLab, Runtime
from lab.steps import Steps
from lab.submission import HandedIn
from lab.topology.routes import apply_routes

Say = Callable[[str], None]

_AT_REST = {"LISTEN", "TIME-WAIT", "CLOSED"}
_SETTLE_POLL = 0.005  # seconds between two looks at the kernel's sockets
_PROBE_LIMIT = 2.0  # seconds for an answer to one of our own probes


def grade(
    exercise: Exercise,
    handed_in: HandedIn,
    runtime: Runtime,
    runs: Path,
    say: Say,
    *,
    keep: bool = False,
    standing: str | None = None,
) -> tuple[Path, Evidence, Grade]:
    """Run an exercise and judge it; a failure that rests on a time limit is confirmed by a second run, which decides.

    Nothing may run beside that second run, or a busy machine would cost a student points. Both are kept.
    """
    path = run(exercise, handed_in, runtime, runs, say, keep=keep, standing=standing)
    evidence, result = judge(path)
    if keep or not result.timed:
        return path, evidence, result
    say("a failure rests on a time limit: running once more")
    path = run(exercise, handed_in, runtime, runs, say, standing=standing, confirms=path)
    return path, *judge(path)


def run(
    exercise: Exercise,
    handed_in: HandedIn,
    runtime: Runtime,
    runs: Path,
    say: Say,
    *,
    keep: bool = False,
    standing: str | None = None,
    confirms: Path | None = None,
) -> Path:
    """Do one run of an exercise and return the directory with its evidence, kept whatever happens.

    With `keep` the lab lives on under the exercise's name. `standing` names a lasting lab that is used as it stands
    (and stays up) instead of a fresh one. `confirms` is the earlier run that this one repeats.
    """
    started = time.time()
    directory = RunDirectory.create(runs, exercise, started)
    plan, handed_in = plan_for(exercise, handed_in)
    directory.write_inputs(exercise, plan)
    gathering = Gathering(exercise, plan, handed_in, directory, say)
    gaps: tuple[Gap, ...] = ()
    try:
        if standing is not None:
            lab = runtime.open(standing)
        else:
            lab = runtime.up(plan, name=exercise.name if keep else None, source=exercise.folder, say=say)
        try:
            gathering.gather(lab)
        finally:
            lab.close()
    except NotMeasuredError as error:
        gaps = tuple(Gap(problem.what, str(problem.where), "lab") for problem in error.problems)
    except KeyboardInterrupt:
        gaps = (Gap("the run was interrupted", "", "lab"),)
        raise InterruptedRunError("interrupted", hint=f"what was gathered so far: {directory.path}") from None
    finally:
        gathering.write(started, runtime.name, gaps, confirms, standing)
    return directory.path


def judge(path: Path) -> tuple[Evidence, Grade]:
    """Judge the evidence of a run; pure but for reading it, so the same evidence always gives the same grade."""
    evidence = load(path)
    return evidence, judge_evidence(evidence)


def plan_for(exercise: Exercise, handed_in: HandedIn) -> tuple[Plan, HandedIn]:
    """The plan of a run, with the student's routes where routes are what is handed in."""
    name = exercise.submission.routes
    if name is None or name not in handed_in.files:
        return make_plan(exercise.topology), handed_in
    text = handed_in.files[name].decode(errors="replace")
    topology, problems = apply_routes(exercise.topology, text, name)
    found = (*handed_in.problems, *(f"{problem.where}: {problem.what}" for problem in problems))
    return make_plan(topology), replace(handed_in, problems=found)


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
        self._marks: list[Mark] = []
        self._gaps: list[Gap] = []
        self._probes: list[Probe] = []
        self._states: list[str] = []

    def gather(self, lab: LiveLab) -> None:
        """State, captures, steps, settling, the end mark, probes: in this order."""
        self._state(lab, "before")
        self._captures = Captures(lab, self._points, self._directory.path)
        try:
            given, missing = self._handed_in.files, self._handed_in.missing
            self._steps = Steps(lab, self._exercise, given, missing, self._mark, self._directory.path.name)
            self._steps.run()
            self._state(lab, "after")
            self._settle(lab)
            self._mark("end")
            self._state(lab, "settled")
            self._probe(lab)
            self._steps.finish()
        finally:
            self._captures.stop()

    def _state(self, lab: LiveLab, phase: str) -> None:
        self._say(
            f"reading the kernel's state {phase} the steps" if phase != "settled" else "reading the settled state"
        )
        self._directory.write_json(f"state/{phase}.json", lab.state(self._nodes))
        self._states.append(phase)

    def _mark(self, name: str, step: str | None = None) -> None:
        assert self._captures is not None
        frames, gaps = self._captures.count()
        self._say(f"mark {name}: {sum(frames.values())} frames")
        self._marks.append(Mark(name, frames, step))
        self._gaps.extend(gap for gap in gaps if gap not in self._gaps)

    def _settle(self, lab: LiveLab) -> None:
        """Wait until every TCP socket listens, is in TIME-WAIT or is gone."""

        def settled() -> bool:
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
        self, started: float, runtime: str, gaps: tuple[Gap, ...], confirms: Path | None, standing: str | None
    ) -> None:
        """Keep everything that was gathered, whole or not."""
        counts = self._captures.counts() if self._captures else {}
        if self._captures:
            self._gaps.extend(self._captures.losses(by_submission=self._exercise.runs_submission))
        if self._steps:
            self._gaps.extend(self._steps.gaps())
        self._directory.write_steps(self._steps.results() if self._steps else {})
        self._directory.write_manifest(
            exercise={"name": self._exercise.name, "sha256": exercise_digest(self._exercise)},
            values=dict(self._exercise.values),
            submission={
                "folder": self._handed_in.folder,
                "sha256": self._handed_in.digest,
                "files": sorted(self._handed_in.files),
                "problems": list(self._handed_in.problems),
                "notes": list(self._handed_in.notes),
            },
            confirms=str(confirms) if confirms else None,
            standing=standing,
            started=started,
            seconds=round(time.time() - started, 3),
            runtime=runtime,
            kernel=platform.release(),
            python=platform.python_version(),
            tools={"tcpdump": capture.version()},
            captures=[
                {"point": point, "file": f"{point.replace(':', '.')}.pcap", **asdict(count)}
                for point, count in counts.items()
            ],
            marks=[asdict(mark) for mark in self._marks],
            probes=[asdict(probe) for probe in self._probes],
            states=self._states,
            gaps=[asdict(gap) for gap in (*self._gaps, *gaps)],
        )

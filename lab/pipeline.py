"""The spine: an exercise becomes a lab, the lab evidence, the evidence a grade."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from lab import console
from lab.errors import InterruptedRunError, NotMeasuredError
from lab.evidence import Evidence, Gap
from lab.exercise import Exercise, HandedIn
from lab.gather import submitted
from lab.gather.gathering import Gathering, Say
from lab.gather.rundir import RunDirectory, load
from lab.grade import Grade
from lab.grade import judge as judge_evidence
from lab.plan import Plan, make_plan
from lab.report.annotated import write_annotated
from lab.runtime.base import LiveLab, Runtime
from lab.topology import apply_routes

ANNOTATED = "annotated.pcapng"
_MOST_FRAMES = 50_000  # of a run that is annotated unasked: about 1.5 s and at most 75 MB


def grade(
    exercise: Exercise,
    handed_in: HandedIn,
    runtime: Runtime | None,
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
    evidence, result = judge(path, own=True)
    if result.timed:
        say("a failure rests on a time limit: running once more")
        path = run(exercise, handed_in, runtime, runs, say, standing=standing, confirms=path)
        evidence, result = judge(path, own=True)
    annotate(path, evidence, result, say)
    return path, evidence, result


def run(
    exercise: Exercise,
    handed_in: HandedIn,
    runtime: Runtime | None,
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
    if exercise.unverified:
        submitted.take(exercise, handed_in, directory, started)
        return directory.path
    assert runtime is not None, "only captures that are handed in come without one"
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
            _let_go(lab)
    except NotMeasuredError as error:
        gaps = tuple(Gap(problem.what, str(problem.where), "lab") for problem in error.problems)
    except KeyboardInterrupt:
        gaps = (Gap("the run was interrupted", "", "lab"),)
        raise InterruptedRunError("interrupted", hint=f"what was gathered so far: {directory.path}") from None
    finally:
        gathering.write(started, runtime, gaps, confirms, standing)
    return directory.path


def _let_go(lab: LiveLab) -> None:
    """Close a lab; what fails in that is always said, and costs the run nothing of what was gathered before."""
    try:
        lab.close()
    except NotMeasuredError as error:
        console.say(f"the lab could not be taken down, lab ps will do it: {error}")


def judge(
    path: Path, *, own: bool = False, submission: Mapping[str, bytes] | None = None
) -> tuple[Evidence, Grade]:
    """Judge the evidence of a run; pure but for reading it, so the same evidence always gives the same grade.

    `own` tells that the run was made of the teacher's own exercise, so that functions in it may be run. `submission`
    are files that were handed in later, in the place of those that the run kept.
    """
    evidence = load(path, own=own)
    if submission is not None:
        evidence = replace(evidence, submission={**evidence.submission, **submission})
    return evidence, judge_evidence(evidence)


def annotate(path: Path, evidence: Evidence, grade: Grade, say: Say) -> None:
    """Write all captures of a judged run as one file for Wireshark beside them, with the verdicts beside the frames.

    It is an extra: a large run goes without it, and no failure in making it costs the grade that is there already.
    """
    frames = sum(len(capture.packets) for capture in evidence.captures.values())
    if frames > _MOST_FRAMES:
        say(f"{frames} frames are too many for {ANNOTATED}; lab judge {path} --pcapng FILE writes them all the same")
        return
    directory, scratch = RunDirectory(path), f"{ANNOTATED}.unfinished"
    try:
        with directory.create_file(scratch) as stream:
            write_annotated(stream, evidence, grade)
        (path / scratch).rename(path / ANNOTATED)
    except Exception as error:
        (path / scratch).unlink(missing_ok=True)
        say(f"{ANNOTATED} was not written: {type(error).__name__}: {error}")


def plan_for(exercise: Exercise, handed_in: HandedIn) -> tuple[Plan, HandedIn]:
    """The plan of a run, with the student's routes where routes are what is handed in."""
    name = exercise.submission.routes
    if name is None or name not in handed_in.files:
        return make_plan(exercise.topology), handed_in
    text = handed_in.files[name].decode(errors="replace")
    topology, problems = apply_routes(exercise.topology, text, name)
    found = (*handed_in.problems, *(f"{problem.where}: {problem.what}" for problem in problems))
    return make_plan(topology), replace(handed_in, problems=found)

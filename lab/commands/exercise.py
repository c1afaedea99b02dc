"""Runs of exercises: run, judge, demo."""

from __future__ import annotations

import secrets
import signal
import sys
from pathlib import Path
from typing import Any

from lab import console, pipeline
from lab.catalog import EXERCISE_FILE, find_exercise
from lab.commands.traces import ladder_of
from lab.errors import NOT_MEASURED, LabError, NotMeasuredError, Problem
from lab.evidence import Evidence
from lab.exercise import Exercise, load_exercise
from lab.exercise.submission import HandedIn, read_submission
from lab.gather.rundir import find_run, latest_run, load
from lab.grade import Grade
from lab.plan import make_plan
from lab.report.annotated import write_annotated
from lab.runtime import choose_for
from lab.runtime.base import Runtime

RUNS = "runs"  # where evidence is kept unless said otherwise, so where `.` finds the latest run


def run(
    name: str | None,
    submission: str | None,
    *,
    standing: str | None,
    keep: bool,
    runs: str,
    runtime: str | None,
    as_json: bool,
    verbose: bool,
    student: str | None = None,
    secret: str | None = None,
) -> int:
    """One run of an exercise, on a lab of its own or on one that stands already; its exit code."""
    if secret is not None and student is None:
        raise LabError("--secret says nothing without --student", hint="--student ID says whose values are meant")
    path = find_exercise(name) if name else _exercise_here()
    exercise = load_exercise(path, draw=secrets.token_hex(16))
    if student is not None:
        from lab.commands.classroom import variant_of

        variant = variant_of(exercise, student, secret)
        exercise = load_exercise(path, draw=secrets.token_hex(16), variant=variant)
    if exercise.unverified and (keep or standing is not None):
        option = "--lab" if standing is not None else "--keep"
        what = f"{option} says nothing here: captures are handed in, and no lab is brought up"
        raise LabError(what, exercise.folder, f"leave {option} out")
    if standing is None:
        chosen = choose_for(exercise, runtime, console.say)
        handed_in = _handed_in(exercise, path.parent, submission)
    else:
        chosen = _runtime_of(standing, exercise, runtime)
        handed_in = _beside_configuration(exercise, path.parent, submission)
    signal.signal(signal.SIGTERM, _interrupt)  # so that what was gathered is kept, as after Ctrl-C
    say = console.say if verbose else console.quiet
    directory, evidence, grade = pipeline.grade(
        exercise, handed_in, chosen, Path(runs), say, keep=keep and standing is None, standing=standing
    )
    _report(evidence, grade, directory, as_json=as_json)
    return grade.exit_code


def _runtime_of(standing: str, exercise: Exercise, runtime: str | None) -> Runtime:
    """The runtime of a lab that stands; raises LabError where its network is not the exercise's."""
    from lab.commands.labs import find_lab
    from lab.standing import refuse_other_network

    owner, info = find_lab(standing, runtime)
    if problems := owner.problems():
        raise NotMeasuredError(problems)
    lab = owner.open(info.name)
    lab.close()
    refuse_other_network(make_plan(exercise.topology), lab.plan, standing)
    return owner


def _beside_configuration(exercise: Exercise, folder: Path, submission: str | None) -> HandedIn:
    """What is handed in beside a lab's configuration: programs, but no routes, for those are what was configured."""
    if exercise.submission.files:
        return _handed_in(exercise, folder, submission)
    if submission is not None:
        hint = "leave --submission out, or leave --lab out"
        raise LabError("with --lab the routes are judged as they are on that lab, not as they are handed in", hint=hint)
    return HandedIn()


def _interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def _exercise_here() -> Path:
    """The exercise of the current folder: of a handout, or while it is being written."""
    path = Path(EXERCISE_FILE)
    if not path.is_file():
        raise LabError("no exercise was named", hint="lab exercises lists the ready-made ones: lab run tcp-echo")
    return path


def _handed_in(exercise: Exercise, folder: Path, submission: str | None) -> HandedIn:
    """The named hand-in, else the exercise's own solution, else what lies beside it (a handout)."""
    if submission is not None:
        if not submission:  # an unset variable of a script, which must not mean the current folder
            raise LabError("--submission names no folder", hint="--submission . is the current one")
        return read_submission(exercise, Path(submission))
    if not exercise.submission.files and not exercise.submission.routes:
        return HandedIn()
    solution = folder / "solution"
    return read_submission(exercise, solution if solution.is_dir() else folder)


def judge(
    given: str,
    runs: str,
    *,
    as_json: bool,
    students: bool,
    pcapng: str | None,
    submission: str | None,
    trust: bool,
) -> int:
    """Judge a kept run again; its exit code. With `students` the report is the one that a student may see.

    `pcapng` names a new file for all captures with the verdicts beside their frames. `submission` is a folder whose
    sheets stand in for those of the run. With `trust` the functions that the run's exercise brings along are run.
    """
    directory = find_run(given, runs)
    sheets = None
    if submission is not None:
        exercise = load(directory).exercise
        wanted = {name for graded in exercise.checks for name in graded.check.handed_in}
        if not wanted:
            raise LabError("no check of this run reads a file that is handed in", hint="leave --submission out")
        sheets = {k: v for k, v in read_submission(exercise, Path(submission)).files.items() if k in wanted}
    evidence, grade = pipeline.judge(directory, own=trust, submission=sheets)
    if pcapng is not None:
        _write_annotated(Path(pcapng), evidence, grade)
    _report(evidence, grade, directory, as_json=as_json, students=students)
    return grade.exit_code


def _write_annotated(path: Path, evidence: Evidence, grade: Grade) -> None:
    try:
        with path.open("xb") as stream:
            write_annotated(stream, evidence, grade)
    except FileExistsError:
        raise LabError("this file exists already", str(path), "--pcapng FILE writes another one") from None
    except OSError as error:
        raise LabError(f"cannot write it: {error.strerror}", str(path)) from None


def _report(evidence: Evidence, grade: Grade, directory: Path, *, as_json: bool, students: bool = False) -> None:
    if as_json:
        from lab.report.json import report_dict

        console.show_json(report_dict(evidence, grade, str(directory), students=students))
        return
    from lab.report.text import report_lines

    latest = latest_run(RUNS)
    called = "." if latest and latest.resolve() == directory.resolve() else None
    console.show(report_lines(evidence, grade, str(directory), width=console.width(), called=called, students=students))
    if first := evidence.manifest.get("confirms"):
        console.show([("note", f"this second run, alone, decides about a time limit; the first: {first}")])


def demo(runs: str, runtime: str | None, verbose: bool) -> int:
    """The main job, shown: the network, the conversation as a ladder, the checks and the grade."""
    path = find_exercise("two-lans/tcp-echo")
    try:
        exercise = load_exercise(path)
        chosen = choose_for(exercise, runtime, console.say)
        handed_in = _handed_in(exercise, path.parent, None)
        directory = pipeline.run(exercise, handed_in, chosen, Path(runs), console.say if verbose else console.quiet)
        evidence, grade = pipeline.judge(directory, own=True)
        if grade.exit_code == NOT_MEASURED:
            raise NotMeasuredError([Problem(gap.what, gap.where) for gap in evidence.gaps])
    except NotMeasuredError as error:
        for problem in error.problems:
            hint = problem.hint.replace("\n", "\n  ")
            print(f"this machine cannot run a lab: {problem.what}" + (f"\n  {hint}" if hint else ""), file=sys.stderr)
        directory = path.parent / "recorded"
        print("here is the judge at work on a RECORDED run instead\n")
        evidence, grade = pipeline.judge(directory)
    console.show(network_lines(evidence))
    console.show([("", ""), *ladder_of(evidence), ("", "")])
    _report(evidence, grade, directory, as_json=False)
    return grade.exit_code


def network_lines(evidence: Evidence) -> list[tuple[str, str]]:
    """The network in a few lines: each segment with who is on it."""
    lines = [("title", f"network {evidence.plan.name}")]
    for network in evidence.plan.networks:
        members = [
            f"{interface.node} {address.ip}"
            for interface in evidence.plan.interfaces
            if interface.network == network.name
            for address in interface.addresses
        ]
        lines.append(("", f"  {network.name:<6} {', '.join(map(str, network.subnets)):<18} {'  ──  '.join(members)}"))
    return lines

"""Grades judged again from the evidence that was kept, by this `lab` or by a changed exercise; nothing is run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.classroom.identity import lab_version
from lab.classroom.job import judged, run_verdicts, state_of
from lab.classroom.results import Results
from lab.errors import LabError
from lab.evidence import Evidence
from lab.exercise import Exercise, load_exercise
from lab.gather.rundir import RunDirectory, exercise_digest, load
from lab.grade import judge, tidy


class OtherExerciseError(LabError):
    """The kept evidence is not that of the exercise by which it should be judged."""


@dataclass(frozen=True)
class Change:
    """What judging again did to a student's result: the points before and after (None: no grade), and why.

    `was_of` and `of` are what could be earned; what a student has is their share of it, as a sheet is filled in.
    """

    student: str
    before: float | None
    after: float | None
    was_of: float
    of: float
    why: tuple[str, ...]

    @property
    def gained(self) -> float:
        """By how much it is for the better, or below 0 for the worse; a grade where there was none counts as better."""
        before, after = (
            -1 if points is None else points / of if of else 0
            for points, of in ((self.before, self.was_of), (self.after, self.of))
        )
        return tidy(after - before)


def keep_exercise(results: Results, path: Path) -> None:
    """Keep the exercise by which results are judged from now on, which their runs do not hold."""
    exercise = load_exercise(path)
    folder = kept_exercise(results, exercise_digest(exercise))
    if not folder.is_dir():
        scratch = folder.with_name(f".{folder.name}")
        shutil.rmtree(scratch, ignore_errors=True)
        RunDirectory(scratch).write_exercise(exercise)
        scratch.rename(folder)


def kept_exercise(results: Results, digest: str) -> Path:
    """Where an exercise is kept that came after the runs."""
    return results.out / "exercises" / digest[:16]


def judge_again(
    results: Results, told: Mapping[str, Any], new: Path | None, *, trusted: bool = False
) -> tuple[dict[str, Any], Evidence | None]:
    """A student's result by the checks of `new` (None: of the exercise that counts), and the evidence that decides.

    Functions that come with the results are run only where they are `trusted`; those of `new` are the teacher's own.
    Raises `LabError` where evidence is gone or damaged, `OtherExerciseError` where it is not the new exercise's.
    """
    folder = results.folder(told["key"])
    if not told["runs"]:
        return dict(told), None
    topology, digest, trusted = None, told["exercise"]["sha256"], trusted or new is not None
    if new is None and (kept := kept_exercise(results, digest)).is_dir():
        new, topology = kept / "exercise" / "exercise.yaml", kept / "exercise" / "topology.yaml"
    verdicts, grades, decides = [], [], None
    for each in told["runs"]:
        evidence = load(folder / each["run"], own=trusted)
        if new is not None:
            evidence = replace(evidence, exercise=_fitting(evidence, new, topology))
        if not trusted and any(graded.check.kind == "python" for graded in evidence.exercise.checks):
            hint = "--trust-code runs it, if you know it; --exercise FOLDER names your own"
            raise OtherExerciseError("a check is a function that comes with these results", str(results.out), hint)
        grade = judge(evidence)
        verdicts.append(run_verdicts(each["run"], grade, alone=each["alone"]))
        grades.append(grade)
        decides = (folder / each["run"], evidence, grade)
    assert decides is not None, "there is a run"
    state, why = state_of(grades[-told["repeat"] :], verdicts, alone=told["runs"][-1]["alone"])
    decided = judged(*decides, folder, told.get("submitted", ""))
    changed = {**told, "lab": lab_version(), "state": state, "why": why, "runs": verdicts, **decided}
    changed["exercise"] = {"name": decides[1].exercise.name, "sha256": exercise_digest(decides[1].exercise)}
    return changed, decides[1]


def _fitting(evidence: Evidence, new: Path, topology: Path | None) -> Exercise:
    """The new exercise with the values that this run drew; raises where it would have run otherwise."""
    kept: Mapping[str, str | int] = evidence.manifest["values"]
    drawn = {name: kept[name] for name in load_exercise(new, topology=topology).drawn if name in kept}
    exercise, was = load_exercise(new, topology=topology, values=drawn), evidence.exercise
    same = {
        "name": exercise.name == was.name,
        "topology": (exercise.topology.nodes, exercise.topology.networks, exercise.topology.routes)
        == (was.topology.nodes, was.topology.networks, was.topology.routes),
        "steps": exercise.steps == was.steps,
        "the teacher's programs": all(
            exercise.files.get(name) == was.files.get(name) for step in was.steps for name in _files(step.code)
        ),
        "submission": exercise.submission == was.submission,
        "faults": exercise.faults == was.faults,
        "evidence": exercise.unverified == was.unverified,
    }
    if other := [what for what, equal in same.items() if not equal]:
        hint = "checks, points, needs, hints and visibility may change; after another change lab grade has to run it"
        raise OtherExerciseError(f"this evidence is of another exercise: {', '.join(other)} changed", str(new), hint)
    return exercise


def _files(code: object) -> tuple[str, ...]:
    return code if isinstance(code, tuple) else ()


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change | None:
    """What became of a result, both with the adjustments that hold for it; None where grade and verdicts are equal."""
    points = [each["grade"]["points"] if each["state"] == "graded" else None for each in (before, after)]
    moved = f"{before['state']} → {after['state']}: {after['why']}".removesuffix(": ")
    why = [moved] if before["state"] != after["state"] else []
    if "report" in before and "report" in after:
        why += _differences(before["report"], after["report"])
    if not why and points[0] == points[1]:
        return None
    of = [each["grade"]["of"] if "grade" in each else 0 for each in (before, after)]
    return Change(after["student"], points[0], points[1], of[0], of[1], tuple(why))


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Check by check, in words."""
    was, now = ({each["id"]: each for each in report["checks"]} for report in (before, after))
    said = []
    for name, check in now.items():
        old = was.get(name)
        if old is None:
            if check["of"]:
                said.append(f"{name} is new: {check['points']} of {check['of']}; {check['seen']}")
        elif old["verdict"] != check["verdict"]:
            worth = f" ({old['points']} → {check['points']} of {check['of']})" if check["of"] or old["of"] else ""
            said.append(f"{name}: {old['verdict']} → {check['verdict']}{worth}; {check['seen']}")
        elif (old["points"], old["of"]) != (check["points"], check["of"]):
            worth = f"{old['points']} of {old['of']} → {check['points']} of {check['of']}"
            said.append(f"{name}: {worth}, {check['verdict']} as before")
    said += [f"{name} is gone, which earned {old['points']} of {old['of']}" for name, old in was.items()
             if name not in now and old["of"]]  # fmt: skip
    return said


def words(change: Change) -> list[str]:
    """A change in lines: who, from what to what, and why."""
    before, after = ("no grade" if each is None else str(tidy(each)) for each in (change.before, change.after))
    if change.before is not None and change.after is not None and change.was_of != change.of:
        before += f" of {tidy(change.was_of)}"
    head = f"{change.student}: {before} → {after}" + (f" of {tidy(change.of)}" if change.after is not None else "")
    return [head, *(f"  {each}" for each in change.why)]

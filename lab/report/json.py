"""The report of a run as data (`--json`), and the JSON Schema that describes it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import PurePath
from typing import Any

from lab.checks.base import FrameRef, Outcome
from lab.evidence import Evidence
from lab.grade import Grade, Hidden, Result, students_view


def report_dict(evidence: Evidence, grade: Grade, run_dir: PurePath | str, *, students: bool = False) -> dict[str, Any]:
    """The report of a run, ready for `json.dumps`; texts may hold what a student's program wrote.

    With `students` it is the report that a student may see: hidden checks are only counted. `grade` and `verdict` are
    of all checks either way.
    """
    view, unseen = students_view(grade) if students else (grade, Hidden(0, 0, 0))
    return {
        "exercise": evidence.exercise.name,
        "verdict": str(grade.outcome),
        "grade": {"points": grade.points, "of": grade.of},
        "unverified": grade.unverified,
        "checks": [_check(result) for result in view.results],
        "hidden": asdict(unseen),
        "causes": [{**asdict(root.cause), "checks": list(root.checks)} for root in view.causes],
        "gaps": [asdict(gap) for gap in evidence.gaps],
        "memory_bound": evidence.manifest.get("memory_bound"),
        "run": str(run_dir),
    }


def _check(result: Result) -> dict[str, Any]:
    verdict, graded = result.verdict, result.graded
    return {
        "id": graded.id,
        "visible": graded.visible,
        "check": graded.check.kind,
        "verdict": str(verdict.outcome),
        "points": result.points,
        "of": result.of,
        "rule": verdict.rule,
        "expected": verdict.expected,
        "seen": verdict.seen,
        "frames": [_frame(frame) for frame in verdict.frames],
        "cause": verdict.cause.text if verdict.cause else None,
        "timed": verdict.timed,
        "needs": result.needed,
        "hint": result.hint or None,
    }


def _frame(frame: FrameRef) -> dict[str, Any]:
    return {"point": frame.point, "number": frame.number}


_TEXT = {"type": "string"}
_TEXT_OR_NULL = {"type": ["string", "null"]}
_POINTS = {"type": "number", "minimum": 0}
_VERDICT = {"enum": [str(outcome) for outcome in Outcome]}


def object_schema(*added: str, **properties: Any) -> dict[str, Any]:
    """An object; keys that were `added` later may be missing, for an older report is still one."""
    return {"type": "object", "properties": properties, "required": [key for key in properties if key not in added]}


def report_schema() -> dict[str, Any]:
    """JSON Schema of `report_dict`; readers must accept keys that they do not know, since reports grow."""
    frame = object_schema(point=_TEXT, number={"type": "integer", "minimum": 1})
    check = object_schema(
        "visible",
        id=_TEXT,
        visible={"type": "boolean", "description": "False for a check that students are not to see"},
        check=_TEXT,
        verdict=_VERDICT,
        points=_POINTS,
        of=_POINTS,
        rule=_TEXT,
        expected=_TEXT,
        seen=_TEXT,
        frames={"type": "array", "items": frame},
        cause=_TEXT_OR_NULL,
        timed={"type": "boolean"},
        needs=_TEXT_OR_NULL,
        hint=_TEXT_OR_NULL,
    )
    texts = {"type": "array", "items": _TEXT}
    cause = object_schema("lines", kind=_TEXT, text=_TEXT, look_at=_TEXT, lines=texts, checks=texts)
    hidden = object_schema(checks={"type": "integer", "minimum": 0}, points=_POINTS, of=_POINTS)
    hidden["description"] = "Checks that a student's report does not tell: how many, and their points together"
    gap = object_schema(what=_TEXT, where=_TEXT, owner={"enum": ["lab", "submission"]})
    return object_schema(
        "hidden",
        "memory_bound",
        "unverified",
        exercise=_TEXT,
        verdict=_VERDICT,
        grade=object_schema(points=_POINTS, of=_POINTS),
        unverified={"type": "boolean", "description": "Whether it rests on captures that the student made"},
        checks={"type": "array", "items": check},
        hidden=hidden,
        causes={"type": "array", "items": cause},
        gaps={"type": "array", "items": gap},
        memory_bound={**_TEXT_OR_NULL, "description": "What bounded the memory of a program and all that it started"},
        run=_TEXT,
    )

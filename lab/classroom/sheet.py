"""What a batch comes to, as files: `grades.csv` for people, `grades.json` for machines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lab.checks.base import Outcome
from lab.classroom.adjust import Person, adjusted, read_adjustments
from lab.classroom.results import FORMAT, Results
from lab.exercise import Exercise
from lab.grade import UNVERIFIED, tidy
from lab.report.json import object_schema, report_schema
from lab.wholefile import write_whole

CSV, JSON = "grades.csv", "grades.json"


def write_sheets(
    results: Results,
    exercise: Exercise,
    identity: dict[str, Any],
    keys: Iterable[str],
    expected: Iterable[Person] = (),
) -> None:
    """Write both files anew from the kept results of these students; `expected` may have none yet."""
    wanted = set(keys)
    checks = [each.id for each in exercise.checks]
    adjustments = read_adjustments(results, expected=expected, checks=checks)

    def told() -> Iterator[dict[str, Any]]:
        return (adjusted(each, adjustments) for each in results if each["key"] in wanted)

    write_whole(results.out / CSV, _csv(exercise, told()))
    _write_json(results.out / JSON, exercise, identity, told())


def _csv(exercise: Exercise, told: Iterable[dict[str, Any]]) -> str:
    """A line for each student with a grade; who has none is left out, for a blank can erase a grade in an LMS."""
    graded = [each for each in exercise.checks if each.counts]
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n")
    ids = [each.id for each in graded]
    write.writerow(["student", "name", "points", "of", "late", *ids, "lateness", "adjusted", "evidence", "cause"])
    for each in told:
        if each["state"] == "graded":
            points = {check["id"]: check["points"] for check in each["report"]["checks"]}
            reasons = [*each["handed_in"]["problems"], *(root["text"] for root in each["report"]["causes"])]
            grade, late = each["grade"], "late" if each["late"] or each.get("lateness") else ""
            earned = [points.get(check.id, "") for check in graded]
            by_hand = sum(adjustment["points"] for adjustment in each.get("adjustments", ())) or ""
            taken = (each.get("lateness") or {}).get("points", "")
            head = [each["student"], each["name"], grade["points"], grade["of"], late]
            label = UNVERIFIED if each["report"].get("unverified") else ""
            row = [*head, *earned, taken, by_hand, label, *reasons[:1]]
            for student in each["members"] or [each["student"]]:
                write.writerow(map(unformula, [student, *row[1:]]))
    return text.getvalue()


def unformula(cell: Any) -> Any:
    """A cell that a spreadsheet does not take for a formula, for students choose names and write error messages."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _write_json(path: Path, exercise: Exercise, identity: dict[str, Any], told: Iterable[dict[str, Any]]) -> None:
    """One student after the other, so that memory does not grow with the class."""
    head = {
        "format": FORMAT,
        **identity,
        "of": tidy(sum(each.points for each in exercise.checks)),
        "checks": [
            {"id": each.id, "check": each.check.kind, "of": tidy(each.points), "visible": each.visible}
            for each in exercise.checks
        ],
    }

    def pieces() -> Iterator[str]:
        yield json.dumps(head, ensure_ascii=False)[:-1] + ', "students": ['
        for number, each in enumerate(told):
            brief = {key: value for key, value in each.items() if key not in ("format", "feedback", *identity)}
            yield (",\n" if number else "\n") + json.dumps(brief, ensure_ascii=False)
        yield "\n]}\n"

    write_whole(path, pieces())


def grades_schema() -> dict[str, Any]:
    """JSON Schema of grades.json; readers must accept keys that they do not know, since it grows."""
    text, texts = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    points = {"type": "number", "minimum": 0}
    grade = object_schema(points=points, of=points)
    check = object_schema(id=text, check=text, of=points, visible={"type": "boolean"})
    adjustment = object_schema(check=text, points={"type": "number"}, reason=text, by=text)
    late = object_schema(days={"type": "integer", "minimum": 1}, points={"type": "number", "maximum": 0}, why=text)
    run = object_schema(
        run=text, alone={"type": "boolean"}, timed={"type": "boolean"}, measured={"type": "boolean"},
        verdicts={"type": "object", "additionalProperties": {"enum": [str(outcome) for outcome in Outcome]}},
    )  # fmt: skip
    student = object_schema(
        "grade", "verdict", "values", "report", "shown", "handed_in", "adjustments", "runs", "foreign", "submitted",
        "lateness",
        key={**text, "description": "The student's folder below students/"},
        student=text,
        name=text,
        members={**texts, "description": "All students of a group; empty for one alone"},
        late={"type": "boolean"},
        submission=object_schema(sha256=text, **{"from": texts}),
        state={"enum": ["graded", "timed", "not measured", "differs", "refused"]},
        why={**text, "description": "Why there is no grade; empty where there is one"},
        alone={"type": "boolean", "description": "Whether the deciding run had nothing beside it"},
        attempts={**texts, "description": "All runs, below the student's folder; the last one decides"},
        runs={"type": "array", "items": run, "description": "What each of the attempts says of each graded check"},
        grade=grade,
        verdict={"enum": ["passed", "failed", "not measured"]},
        values={"type": "object"},
        report=report_schema(),
        shown={**report_schema(), "description": "The report that the student may see"},
        submitted={**text, "description": "When it came, by the file that --late named; empty without it"},
        lateness={"anyOf": [late, {"type": "null"}], "description": "What lateness costs; `grade` tells what is left"},
        adjustments={"type": "array", "items": adjustment},
        foreign={
            "type": "array",
            "items": object_schema(student=text, values=texts),
            "description": "Other students whose own values the submission answers with; no verdict",
        },
        handed_in=object_schema(files=texts, problems=texts, notes=texts),
    )  # fmt: skip
    return object_schema(
        "variants",
        format={"const": FORMAT},
        exercise=object_schema(name=text, sha256=text),
        lab=text,
        runtime=text,
        repeat={"type": "integer", "minimum": 1},
        variants={**text, "description": "Tells the secret of the individual values apart; empty without one"},
        of=points,
        checks={"type": "array", "items": check},
        students={"type": "array", "items": student},
    )

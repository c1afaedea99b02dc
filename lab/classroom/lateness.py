"""When each submission came, by a file of the teacher's, and what its lateness costs; off without that file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from lab.checks.names import count
from lab.classroom.intake import HandIn, gradescope_ids
from lab.classroom.naming import composed
from lab.classroom.results import Results
from lab.errors import LabError, Place, Problem, raise_problems
from lab.exercise import Exercise
from lab.exercise.late import Late
from lab.grade import tidy
from lab.yaml.text import read_text, show

MAX_BYTES = 64 * 1024 * 1024  # Gradescope's file holds every earlier submission with its results
COLUMNS = ("student", "submitted")
_TIME = "such as 2026-11-30 23:59, in the zone of the exercise's due, or with its own: 2026-11-30T23:59:00+01:00"


def read_times(path: Path, rule: Late) -> dict[str, datetime]:
    """By student, when the submission came: of Gradescope's submission_metadata.yml, or of CSV student,submitted.

    Raises `LabError` with all that is wrong with the file.
    """
    text = read_text(path, MAX_BYTES)
    rows = _gradescope(text, path) if path.suffix in (".yml", ".yaml") else _csv(text, path)
    found: dict[str, datetime] = {}
    problems = []
    for student, submitted, place in ((composed(each), *rest) for each, *rest in rows):
        if not student:
            hint = "name the student, or leave the line out"
            problems.append(Problem("no student is named beside this time", place, hint))
            continue
        try:
            moment = submitted if isinstance(submitted, datetime) else datetime.fromisoformat(str(submitted).strip())
        except ValueError:
            problems.append(Problem(f"{show(str(submitted))} is no time", place, _TIME))
            continue
        moment = moment if moment.tzinfo else moment.replace(tzinfo=rule.due.tzinfo)
        if student in found and found[student] != moment:
            problems.append(Problem(f"{show(student)} has two times", place, "leave the one that counts"))
        found[student] = moment
    raise_problems(problems)
    return found


def _gradescope(text: str, path: Path) -> Iterator[tuple[str, Any, Place]]:
    try:
        told = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        each_one = [(gradescope_ids(each, name), each[":created_at"]) for name, each in told.items()]
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise LabError(f"this is not as Gradescope writes it: {error}", str(path)) from None
    return ((student, submitted, Place(str(path))) for students, submitted in each_one for student in students)


def _csv(text: str, path: Path) -> Iterator[tuple[str, Any, Place]]:
    reader = csv.DictReader(io.StringIO(text), restval="")
    try:
        if tuple(reader.fieldnames or ()) != COLUMNS:
            hint = "or name Gradescope's submission_metadata.yml"
            for sign, called in ((";", "semicolons"), ("\t", "tabs")):
                if sign in text.partition("\n")[0]:
                    hint = f"its columns are parted by {called}: save it with commas between them"
            raise LabError(f"its first line is not {','.join(COLUMNS)}", Place(str(path), 1, 1), hint)
        for row in reader:
            if any(row[name].strip() for name in COLUMNS):
                yield row["student"].strip(), row["submitted"], Place(str(path), reader.line_num, 1)
    except csv.Error as error:
        raise LabError(f"this is not CSV: {error}", Place(str(path), max(1, reader.line_num), 1)) from None


def with_times(hand_ins: Sequence[HandIn], times: Mapping[str, datetime]) -> tuple[list[HandIn], list[str]]:
    """The hand-ins with the times that are theirs, a group's last one, and of whom none is told; by id or by name."""
    found, unknown = [], []
    for each in hand_ins:
        own = [times[name] for name in (each.student, *each.members) if name in times]
        if not own and each.name and each.name in times:
            own = [times[each.name]]
        if not own:
            unknown.append(each.student)
        found.append(replace(each, submitted=max(own).isoformat(" ")) if own else each)
    return found, unknown


def of_nobody(hand_ins: Sequence[HandIn], times: Mapping[str, datetime]) -> list[str]:
    """Of whom a time is told that is nobody's who handed in."""
    known = {name for each in hand_ins for name in (each.student, each.name, *each.members)}
    return [name for name in times if name not in known]


def lateness(exercise: Exercise, submitted: str, of: float) -> dict[str, Any] | None:
    """What a submission's lateness costs by the exercise's rule; None where it is in time or no time is told."""
    rule = exercise.late
    if rule is None or not submitted:
        return None
    came = datetime.fromisoformat(submitted)
    days = rule.days(came)
    if not days:
        return None
    why = f"{count(days, 'day')} late: came {submitted}, due {rule.due.isoformat(' ')}"
    return {"days": days, "points": -tidy(rule.share(came) * of), "why": why}


def bring_up_to_date(results: Results, exercise: Exercise, hand_in: HandIn, told: Mapping[str, Any]) -> dict[str, Any]:
    """A kept result with the time that is told now; where it is another one than before, it is kept anew."""
    if told.get("submitted", "") == hand_in.submitted:
        return dict(told)
    of = told["grade"]["of"] if "grade" in told else 0
    told = {**told, "submitted": hand_in.submitted, "lateness": lateness(exercise, hand_in.submitted, of)}
    results.keep(told)
    return told

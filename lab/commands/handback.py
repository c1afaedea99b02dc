"""What goes back to students and to those who ask: exports, bundles, grades judged again."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.checks.names import count
from lab.classroom.adjust import FILE as ADJUSTMENTS
from lab.classroom.adjust import Adjustments, adjusted, applied, read_adjustments
from lab.classroom.naming import composed
from lab.classroom.results import RESULT, Results
from lab.classroom.sheet import CSV, JSON, write_sheets
from lab.errors import NOT_MEASURED, PASSED, LabError, NotMeasuredError, Problem
from lab.export import FORMATS
from lab.export.roster import MAX_BYTES, fill, read_roster
from lab.grammar import nearest
from lab.report.safe import safe
from lab.wholefile import earlier, whole, write_whole
from lab.yaml.text import read_text, show

if TYPE_CHECKING:
    from lab.classroom.regrade import Change


def export(form: str, out: str, folder: str, student: str | None) -> None:
    """Write the grades of all, or of one, in a form: a file a student."""
    results = find_results(out)
    chosen = [_of_student(results, student)] if student is not None else list(_graded(results))
    adjustments, left_out = _adjustments(results), [each for each in chosen if each["state"] != "graded"]
    replaced = 0
    _tell_unlike(chosen)
    for told in chosen:
        if told["state"] == "graded":
            path = Path(folder) / f"{told['key']}{FORMATS[form].suffix}"
            replaced += path.exists()
            write_whole(path, FORMATS[form].render(adjusted(told, adjustments)))
    for told in left_out:
        print(safe(f"{told['student']} has no grade and is left out: {told['why']}"), file=sys.stderr)
    for line in applied(adjustments, [each["student"] for each in chosen if each["state"] == "graded"]):
        print(line)
    instead = f", {replaced} of them in place of an earlier one" if replaced else ""
    print(f"{folder}: {count(len(chosen) - len(left_out), 'file')}{instead}")


def export_roster(lms: str, out: str, sheet: str, output: str, column: str | None = None) -> None:
    """Fill in an LMS's own sheet."""
    results = find_results(out)
    roster = read_roster(read_text(Path(sheet), MAX_BYTES), sheet)
    if roster.lms != lms:
        raise LabError(f"this is a sheet of {roster.lms.capitalize()}'s", sheet, f"lab export {roster.lms} fills it in")
    adjustments, students = _adjustments(results), list[str]()
    judged: list[Mapping[str, Any]] = []

    def graded() -> Iterator[dict[str, Any]]:
        for each in _graded(results):
            if each["state"] == "graded":
                students.append(each["student"])
                judged.append({name: each[name] for name in ("state", "student", "exercise", "lab")})
                yield adjusted(each, adjustments)

    if Path(output).exists() and Path(output).samefile(sheet):
        raise LabError("the sheet would be filled in over itself", output, "-o FILE writes another one")
    if any(Path(output).absolute() == (results.out / name).absolute() for name in (ADJUSTMENTS, CSV, JSON)):
        raise LabError("this is a file of the grades themselves", output, "-o FILE writes another one")
    filled = fill(roster, graded(), column)
    _tell_unlike(judged)
    instead = earlier(Path(output))
    write_whole(Path(output), filled.text)
    for note in filled.notes:
        print(safe(note), file=sys.stderr)
    for line in applied(adjustments, students):
        print(line)
    print(f"{output}: {count(filled.entered, 'grade')}, to be uploaded to {lms.capitalize()}{instead}")


def _tell_unlike(chosen: Iterable[Mapping[str, Any]]) -> None:
    """Tell whose grade is by another exercise, or another `lab`, than most, as when a command was killed on its way."""
    by_judge: dict[tuple[str, str], list[str]] = {}
    for told in chosen:
        if told["state"] == "graded":
            by_judge.setdefault((told["exercise"]["sha256"], told["lab"]), []).append(told["student"])
    fewer = sorted(by_judge.values(), key=len)[:-1]
    if others := [student for students in fewer for student in students]:
        what = f"{count(len(others), 'grade')} by another version of the exercise or of lab than the rest"
        hint = "lab grade, or lab regrade, makes them alike"
        print(safe(f"{what}: {', '.join(others)}; {hint}"), file=sys.stderr)


def bundle(out: str, student: str, output: str | None) -> None:
    """Put everything about one grade into a zip: the result, every attempt with its captures, what was adjusted."""
    from lab.classroom.regrade import kept_exercise

    results = find_results(out)
    told = _of_student(results, student)
    path = Path(output or f"{told['key']}.zip")
    adjustments = _adjustments(results)
    folder = results.folder(told["key"])
    judged_by = kept_exercise(results, told["exercise"]["sha256"])
    if path.exists():
        raise LabError("this file exists already", str(path), "-o FILE writes another one")
    with whole(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.rglob("*")):
            if each.is_file() and not each.is_symlink() and each != folder / RESULT:
                _pack(archive, each, str(Path(told["key"]) / each.relative_to(folder)))
        for each in sorted(judged_by.rglob("*")):
            if each.is_file():
                _pack(archive, each, f"{told['key']}/judged-by/{each.relative_to(judged_by).as_posix()}")
        # Who else has the same values is between the teacher and them.
        own = {name: value for name, value in told.items() if name != "foreign"}
        texts = {RESULT: json.dumps(own, indent=1, ensure_ascii=False) + "\n"}
        texts["grade.json"] = json.dumps(adjusted(own, adjustments), indent=1, ensure_ascii=False) + "\n"
        if "grade" in told:
            texts["feedback.md"] = FORMATS["feedback"].render(adjusted(told, adjustments))
        for name, text in texts.items():
            archive.writestr(f"{told['key']}/{name}", text.encode(errors="backslashreplace"))
    print(f"{path}: {count(len(told['attempts']), 'run')} of {safe(told['student'])}, all that its grade rests on")


def _pack(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    try:
        archive.write(path, name)
    except PermissionError as error:
        raise LabError(f"cannot be read: {error.strerror}", str(path), "lab bundle as the user who graded") from None


def regrade(out: str, exercise: str | None, *, trust: bool = False) -> int:
    """Judge kept evidence again, without running anything, and tell whose grade changed and why; the exit code."""
    from lab.catalog import find_exercise
    from lab.classroom.batch import held
    from lab.classroom.regrade import OtherExerciseError, compare, judge_again, keep_exercise
    from lab.exercise import load_exercise

    results = find_results(out)
    new = find_exercise(exercise) if exercise else None
    checks = [each.id for each in load_exercise(new).checks] if new else None
    changes, held_back, as_before, judged, graded = [], [], list[str](), None, list[str]()
    with held(results.out):
        present = _whole(results)
        adjustments = _adjustments(results, checks, totals=False)  # points are about to change
        for key in present:
            before = results.read(key)
            if before is None:
                raise _damaged(results, [present[key]])
            try:
                after, evidence = judge_again(results, before, new, trusted=trust)
            except OtherExerciseError:
                raise
            except LabError as error:
                as_before.append(f"{before['student']}: {'; '.join(each.what for each in error.problems)}")
                continue
            judged = (after, evidence) if evidence else judged
            if new is not None:
                keep_exercise(results, new)
            results.keep(after)
            if change := compare(adjusted(before, adjustments), adjusted(after, adjustments)):
                changes.append(change)
            if after["state"] == "graded":
                graded.append(after["student"])
            else:
                held_back.append(f"{after['student']}: {after['why']}")
        _tell_changes(changes)
        if judged:
            after, evidence = judged
            assert evidence is not None, "it was judged by it"
            identity = {name: after[name] for name in ("exercise", "lab", "runtime", "repeat", "variants")}
            write_sheets(results, evidence.exercise, identity, present, present.values())
    for line in applied(adjustments, graded):
        print(line)
    print(f"{count(len(present) - len(as_before), 'student')} judged again, nothing was run: {len(changes)} changed")
    for title, lines in (("without a grade", held_back), ("whose evidence cannot be read, left as before", as_before)):
        if lines:
            print(f"{count(len(lines), 'student')} {title}:")
            for line in lines:
                print(safe(f"  {line}"))
    return NOT_MEASURED if held_back or as_before else PASSED


def _tell_changes(changes: Sequence[Change]) -> None:
    from lab.classroom.regrade import words

    for title, chosen in (
        ("gained", [each for each in changes if each.gained > 0]),
        ("lost", [each for each in changes if each.gained < 0]),
        ("the same share of the points for other reasons", [each for each in changes if not each.gained]),
    ):
        if chosen:
            print(f"{title}: {count(len(chosen), 'student')}")
            for line in (line for each in chosen for line in words(each)):
                print(safe(f"  {line}"))


def find_results(out: str) -> Results:
    """The results below a folder; raises `LabError` where there are none."""
    results = Results(Path(out))
    if next(iter(results), None) is None:
        if unread := _listed(results):
            raise _damaged(results, unread.values())
        raise LabError("there are no grades here", out, "lab grade EXERCISE SUBMISSIONS --out DIR makes them")
    return results


@dataclass(frozen=True)
class Listed:
    """A student as `grades.json` tells."""

    key: str
    student: str
    name: str
    members: tuple[str, ...]


def _whole(results: Results) -> dict[str, Listed]:
    """By key, those who were among the submissions when it was graded last; raises where a result cannot be read."""
    present = _present(results)
    if unread := [each for key, each in present.items() if results.read(key) is None]:
        raise _damaged(results, unread)
    return present


def _damaged(results: Results, unread: Iterable[Listed]) -> NotMeasuredError:
    """Whose result is gone or cannot be read: leaving them out would cost them their grade, unnoticed."""
    hint = "the same lab grade command again grades them anew; until then everything stays as it is"
    return NotMeasuredError(
        [
            Problem(
                f"the result of {show(each.student)} is missing or damaged",
                str(results.folder(each.key) / RESULT),
                hint,
            )
            for each in unread
        ]
    )


def _graded(results: Results) -> Iterator[dict[str, Any]]:
    """The results of those who were among the submissions when it was graded last."""
    present = _whole(results)
    return (each for each in results if each["key"] in present)


def _present(results: Results) -> dict[str, Listed]:
    """By key, those who were among the submissions when it was graded last."""
    try:
        told = json.loads((results.out / "grades.json").read_text("utf-8"))["students"]
        listed = [Listed(each["key"], each["student"], each["name"], tuple(each["members"])) for each in told]
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "lab grade writes it when it comes to its end: give that command again"
        raise LabError(f"grades.json cannot be read: {error}", str(results.out), hint) from None
    return {each.key: each for each in listed}


def _adjustments(results: Results, checks: Sequence[str] | None = None, *, totals: bool = True) -> Adjustments:
    """What a person adds, of students with a result and of those who are listed."""
    return read_adjustments(results, expected=_listed(results).values(), checks=checks, totals=totals)


def _listed(results: Results) -> dict[str, Listed]:
    """Those who were among the submissions when it was graded last, as far as that can be told."""
    try:
        return _present(results)
    except LabError:
        return {}


def _of_student(results: Results, student: str) -> dict[str, Any]:
    known: dict[str, Mapping[str, Any]] = {}
    student = composed(student)
    for told in results:
        if student in map(composed, (told["student"], told["key"], *told["members"])):
            return told
        known[told["student"]] = told
    if unread := [each for each in _listed(results).values() if student in (each.student, each.key, *each.members)]:
        raise _damaged(results, unread)
    raise LabError(f"there is no student {show(student)}", str(results.out), nearest(student, list(known), "students"))

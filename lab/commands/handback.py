"""What goes back to students and to those who ask: exports, bundles, grades judged again."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.checks.names import count
from lab.classroom.adjust import adjusted, read_adjustments
from lab.classroom.results import RESULT, Results, write_whole
from lab.classroom.sheet import write_sheets
from lab.errors import NOT_MEASURED, PASSED, LabError
from lab.export import FORMATS
from lab.export.roster import fill, read_roster
from lab.grammar import nearest
from lab.report.safe import safe
from lab.yamltext import read_text, show


def export(form: str, out: str, folder: str, student: str | None) -> None:
    """Write the grades of all, or of one, in a form: a file a student."""
    results = find_results(out)
    chosen = [_of_student(results, student)] if student is not None else list(_graded(results))
    adjustments, left_out = read_adjustments(results.out), [each for each in chosen if each["state"] != "graded"]
    for told in chosen:
        if told["state"] == "graded":
            path = Path(folder) / f"{told['key']}{FORMATS[form].suffix}"
            write_whole(path, FORMATS[form].render(adjusted(told, adjustments)))
    for told in left_out:
        print(safe(f"{told['student']} has no grade and is left out: {told['why']}"), file=sys.stderr)
    print(f"{folder}: {count(len(chosen) - len(left_out), 'file')}")


def export_roster(lms: str, out: str, sheet: str, output: str, column: str | None = None) -> None:
    """Fill in an LMS's own sheet."""
    results = find_results(out)
    roster = read_roster(read_text(Path(sheet)), sheet)
    if roster.lms != lms:
        raise LabError(f"this is a sheet of {roster.lms.capitalize()}'s", sheet, f"lab export {roster.lms} fills it in")
    adjustments = read_adjustments(results.out)
    graded = (adjusted(each, adjustments) for each in _graded(results) if each["state"] == "graded")
    filled = fill(roster, graded, column)
    write_whole(Path(output), filled.text)
    for note in filled.notes:
        print(safe(note), file=sys.stderr)
    print(f"{output}: to be uploaded to {lms.capitalize()}")


def bundle(out: str, student: str, output: str | None) -> None:
    """Put everything about one grade into a zip: the result, every attempt with its captures, what was adjusted."""
    from lab.classroom.regrade import kept_exercise

    results = find_results(out)
    told = _of_student(results, student)
    path = Path(output or f"{told['key']}.zip")
    adjustments = read_adjustments(results.out)
    folder = results.folder(told["key"])
    judged_by = kept_exercise(results, told["exercise"]["sha256"])
    try:
        with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
            for each in sorted(folder.rglob("*")):
                if each.is_file() and not each.is_symlink() and each != folder / RESULT:
                    archive.write(each, str(Path(told["key"]) / each.relative_to(folder)))
            for each in sorted(judged_by.rglob("*")):
                if each.is_file():
                    archive.write(each, f"{told['key']}/judged-by/{each.relative_to(judged_by).as_posix()}")
            # Who else has the same values is between the teacher and them.
            own = {name: value for name, value in told.items() if name != "foreign"}
            archive.writestr(f"{told['key']}/{RESULT}", json.dumps(own, indent=1, ensure_ascii=False) + "\n")
            final = json.dumps(adjusted(own, adjustments), indent=1, ensure_ascii=False)
            archive.writestr(f"{told['key']}/grade.json", final + "\n")
            if "grade" in told:
                archive.writestr(f"{told['key']}/feedback.md", FORMATS["feedback"].render(adjusted(told, adjustments)))
    except FileExistsError:
        raise LabError("this file exists already", str(path), "-o FILE writes another one") from None
    print(f"{path}: {count(len(told['attempts']), 'run')} of {safe(told['student'])}, all that its grade rests on")


def regrade(out: str, exercise: str | None, *, trust: bool = False) -> int:
    """Judge kept evidence again, without running anything, and tell whose grade changed and why; the exit code."""
    from lab.catalog import find_exercise
    from lab.classroom.batch import held
    from lab.classroom.regrade import OtherExerciseError, compare, judge_again, keep_exercise, words

    results = find_results(out)
    new = find_exercise(exercise) if exercise else None
    changes, held_back, as_before, judged = [], [], list[str](), None
    with held(results.out):
        adjustments, present = read_adjustments(results.out), list(_present(results))
        for key in present:
            before = results.read(key)
            if before is None:
                continue
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
            if after["state"] != "graded":
                held_back.append(f"{after['student']}: {after['why']}")
        if judged:
            after, evidence = judged
            assert evidence is not None, "it was judged by it"
            identity = {name: after[name] for name in ("exercise", "lab", "runtime", "repeat", "variants")}
            write_sheets(results, evidence.exercise, identity, present)
    for title, chosen in (
        ("gained", [each for each in changes if each.gained]),
        ("lost", [each for each in changes if not each.gained and each.before != each.after]),
        ("the same points for other reasons", [each for each in changes if each.before == each.after]),
    ):
        if chosen:
            print(f"{title}: {count(len(chosen), 'student')}")
            for line in (line for each in chosen for line in words(each)):
                print(safe(f"  {line}"))
    print(f"{count(len(present) - len(as_before), 'student')} judged again, nothing was run: {len(changes)} changed")
    for title, lines in (("without a grade", held_back), ("whose evidence cannot be read, left as before", as_before)):
        if lines:
            print(f"{count(len(lines), 'student')} {title}:")
            for line in lines:
                print(safe(f"  {line}"))
    return NOT_MEASURED if held_back or as_before else PASSED


def find_results(out: str) -> Results:
    """The results below a folder; raises `LabError` where there are none."""
    results = Results(Path(out))
    if next(iter(results), None) is None:
        raise LabError("there are no grades here", out, "lab grade EXERCISE SUBMISSIONS --out DIR makes them")
    return results


def _graded(results: Results) -> Iterator[dict[str, Any]]:
    """The results of those who were among the submissions when it was graded last."""
    present = _present(results)
    return (each for each in results if each["key"] in present)


def _present(results: Results) -> dict[str, None]:
    """The keys of those who were among the submissions when it was graded last."""
    try:
        return {each["key"]: None for each in json.loads((results.out / "grades.json").read_text("utf-8"))["students"]}
    except (OSError, ValueError, KeyError) as error:
        hint = "lab grade writes it when it comes to its end: give that command again"
        raise LabError(f"grades.json cannot be read: {error}", str(results.out), hint) from None


def _of_student(results: Results, student: str) -> dict[str, Any]:
    known: dict[str, Mapping[str, Any]] = {}
    for told in results:
        if student in (told["student"], told["key"], *told["members"]):
            return told
        known[told["student"]] = told
    raise LabError(f"there is no student {show(student)}", str(results.out), nearest(student, list(known), "students"))

"""What a teacher does with a whole class: grade."""

from __future__ import annotations

import csv
import gc
import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import console
from lab.catalog import find_exercise
from lab.checks.names import count
from lab.classroom.adjust import read_adjustments
from lab.classroom.batch import Progress, absent, alike, find_foreign, grade_all, held, kept
from lab.classroom.intake import Intake, collect, fingerprint, keep_apart, lacking, renamed_files
from lab.classroom.job import Batch, Job
from lab.classroom.lateness import of_nobody, read_times, with_times
from lab.classroom.likeness import Alike, groups
from lab.classroom.results import Results, Row
from lab.classroom.sheet import unformula, write_sheets
from lab.errors import NOT_MEASURED, PASSED, InterruptedRunError, LabError
from lab.exercise import Exercise, load_exercise
from lab.exercise.variant import Secret, read_secret
from lab.export.roster import MAX_BYTES, Roster, compare, read_roster, target_column
from lab.grammar import NOBODY
from lab.pool import cores
from lab.report.safe import safe
from lab.runtime import choose_for
from lab.wholefile import write_whole
from lab.yaml.text import read_text

if TYPE_CHECKING:
    from rich.live import Live

LIKENESS = "likeness.csv"
_GROUPS = 20  # groups of students that are told on the terminal
UNPACKED = "unpacked"  # below the folder of grades: what came as one archive for all


def grade(
    name: str,
    submissions: Sequence[str],
    *,
    out: str,
    side_by_side: int | None,
    repeat: int,
    fresh: bool,
    runtime: str | None,
    sheet: str | None = None,
    column: str | None = None,
    secret: str | None = None,
    late: str | None = None,
) -> int:
    """Grade a class's submissions; the exit code.

    `sheet` is the LMS's own, which is filled in; `late` a file that tells when each submission came.
    """
    keep_apart(submissions, Path(out))
    if column is not None and sheet is None:
        raise LabError("--column is a column of a sheet", hint="--roster FILE names it; or leave --column out")
    path = find_exercise(name)
    exercise = load_exercise(path)
    _refuse_nothing_asked(exercise)
    key = read_variants(exercise, secret)
    roster = _read_sheet(sheet, column) if sheet else None
    times = _read_late(exercise, late) if late else None
    chosen = choose_for(exercise, runtime, console.say)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)  # ends everything, as Ctrl-C does
    results = Results(Path(out))
    with held(results.out):
        results.sweep()
        if fresh:
            shutil.rmtree(results.out / UNPACKED, ignore_errors=True)
        intake = collect(submissions, exercise, results.out / UNPACKED)
        _tell_intake(intake, absent(results, intake.hand_ins), exercise)
        if roster is not None:
            _tell_roster(roster, intake)
        if times is not None:
            intake = _with_times(intake, times)
        elif exercise.late and (was := [told["student"] for told in results if told.get("lateness")]):
            _say(f"no longer late, as --late is not given: {', '.join(was)}")
        checks = [each.id for each in exercise.checks]
        read_adjustments(results, expected=intake.hand_ins, checks=checks, totals=False)  # a mistake is told now
        batch = Batch(exercise, chosen, results, repeat, key)
        keys = [each.key for each in intake.hand_ins]
        live = Display(len(keys))
        gc.freeze()  # what all processes share is not looked through in each of them, which would copy it
        try:
            with live:
                progress = Progress(live.kept, live.begun, live.done)
                rows = grade_all(batch, intake.hand_ins, side_by_side or cores(), progress, fresh=fresh)
            foreign = find_foreign(batch, intake.hand_ins)
            likeness = alike(batch, intake.hand_ins, _skeleton(exercise, path.parent))
        except KeyboardInterrupt:
            done = [each.key for each in intake.hand_ins if kept(Job(batch, each, fingerprint(each)))]
            write_sheets(results, exercise, batch.identity, done, intake.hand_ins)
            hint = "the same command goes on where it stopped"
            raise InterruptedRunError("interrupted", hint=hint) from None
        write_sheets(results, exercise, batch.identity, keys, intake.hand_ins)
        code = _tell_grades(list(rows.values()), results)
        if times is not None:
            _tell_late(results, keys)
        for each in intake.hand_ins:
            for one in foreign.get(each.key, ()):
                print(safe(f"{each.student} answers with values of {one.student}: {', '.join(one.values)}"))
        _tell_alike(likeness, results)
        if roster is not None and sheet is not None:
            from lab.commands.handback import export_roster

            filled = results.out / f"filled-{Path(sheet).name}"
            export_roster(roster.lms, out, sheet, str(filled), column)
    return code


def _skeleton(exercise: Exercise, folder: Path) -> Mapping[str, bytes]:
    from lab.handout import read_skeleton

    try:
        return read_skeleton(exercise, folder)
    except LabError:
        return {}  # not fit to be handed out, so nobody was given it


def _tell_alike(found: Sequence[Alike], results: Results) -> None:
    """Who is like whom, the most alike first; the whole list is a file."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n")
    write.writerow(["student", "other", "share"])
    write.writerows([unformula(each.one), unformula(each.other), f"{each.share:.2f}"] for each in found)
    write_whole(results.out / LIKENESS, text.getvalue())
    told = groups(found)
    if told:
        print(f"alike up to names and layout, which proves nothing ({results.out}/{LIKENESS} has every pair):")
    for students, share in told[:_GROUPS]:
        print(safe(f"  {', '.join(students)}: {'the same' if share == 1 else f'{share:.0%} in common'}"))
    if len(told) > _GROUPS:
        print(f"  and {len(told) - _GROUPS} more groups")


def variant_of(exercise: Exercise, student: str | None, secret: str | None) -> bytes:
    """The key of a student's values; that of nobody in particular where no student is named."""
    if student is None:
        return NOBODY
    if not exercise.individual:
        raise LabError("this exercise is the same for all", exercise.folder, "leave --student out")
    if not student.strip():
        raise LabError("--student names nobody", hint="the id by which your LMS names the student")
    key = read_variants(exercise, secret)
    return key.key(exercise.name, student) if key else NOBODY


def read_variants(exercise: Exercise, secret: str | None) -> Secret | None:
    """The secret of an exercise whose values are each student's own; None where it has no such values."""
    given = secret or os.environ.get("LAB_SECRET")
    if not exercise.individual:
        return None
    if not given:
        what = f"each student has values of their own: {', '.join(exercise.individual)}"
        raise LabError(what, exercise.folder, "--secret FILE, or LAB_SECRET=FILE, names the secret that they come from")
    return read_secret(Path(given))


def _read_sheet(sheet: str, column: str | None) -> Roster:
    """The LMS's sheet, of which it can be told where grades go."""
    roster = read_roster(read_text(Path(sheet), MAX_BYTES), sheet)
    target_column(roster, column)
    return roster


def _read_late(exercise: Exercise, late: str) -> Mapping[str, datetime]:
    if exercise.late is None:
        hint = "late: {due: 2026-11-30T23:59:00+01:00, per_day: 10%} in it says so; or leave --late out"
        raise LabError("this exercise does not say what lateness costs", exercise.folder, hint)
    return read_times(Path(late), exercise.late)


def _with_times(intake: Intake, times: Mapping[str, datetime]) -> Intake:
    hand_ins, unknown = with_times(intake.hand_ins, times)
    if unknown:
        _say(f"{len(unknown)} of whom --late tells no time, so counted as in time: {', '.join(unknown)}")
    if strangers := of_nobody(intake.hand_ins, times):
        _say(f"{len(strangers)} of whom --late tells a time, and who handed nothing in: {', '.join(strangers)}")
    return replace(intake, hand_ins=tuple(hand_ins))


def _tell_late(results: Results, keys: Sequence[str]) -> None:
    found = [(told["student"], told["lateness"]) for told in map(results.read, keys) if told and told.get("lateness")]
    if found:
        print(f"{count(len(found), 'student')} late:")
    for student, late in found:
        print(safe(f"  {student}: {late['points']:+g} points; {late['why']}"))


def _tell_roster(roster: Roster, intake: Intake) -> None:
    """Who of the sheet handed nothing in, and who handed in and is not in it."""
    students = [
        (student, "" if each.members else each.name)
        for each in intake.hand_ins
        for student in each.members or (each.student,)
    ]
    found = compare(roster, students)
    for what, who in (
        ("not in the sheet, so graded but not entered there", found.unmatched),
        ("in the sheet, and handed nothing in", found.missing),
        ("several for one row of the sheet, of which only the first is entered", found.repeated),
    ):
        if who:
            _say(f"{len(who)} {what}: {'; '.join(who)}")


def _refuse_nothing_asked(exercise: Exercise) -> None:
    if not exercise.submission.files and not exercise.submission.routes:
        hint = "submission: {files: [server.py]} names what students hand in"
        raise LabError("nothing is handed in for this exercise, so there is nothing to grade", exercise.folder, hint)
    if not any(each.counts for each in exercise.checks):
        raise LabError("no check of this exercise has points", exercise.folder, "give a check points: 1")


def _tell_intake(intake: Intake, gone: Sequence[str], exercise: Exercise) -> None:
    """What is to be known before grading starts."""
    for note in intake.notes:
        _say(note)
    for each in intake.hand_ins:
        if each.problem:
            _say(f"{each.student}: {each.problem}")
        if each.members:
            whose = f"; the values are those of {each.student}" if exercise.individual else ""
            _say(f"{each.student}: a group of {len(each.members)}: {', '.join(each.members)}{whose}")
        for note in (*each.notes, *renamed_files(exercise, each), *lacking(exercise, each)):
            _say(f"{each.student}: {note}")
    if gone:
        _say(f"graded earlier and not among these submissions, so left out: {', '.join(gone)}")


def _say(text: str) -> None:
    print(safe(text), file=sys.stderr, flush=True)


def _tell_grades(rows: Sequence[Row], results: Results) -> int:
    graded = [row for row in rows if row.final]
    passed = sum(row.passed for row in graded)
    held_back = [row for row in rows if not row.final]
    print(f"{count(len(graded), 'student')} graded: {passed} passed everything, {len(graded) - passed} did not")
    if held_back:
        print(f"{count(len(held_back), 'student')} without a grade, and left out of what goes to an LMS:")
        for row in held_back:
            again = "; --fresh runs it anew" if row.state == "differs" else ""
            print(safe(f"  {row.student}: {row.why}{again}"))
    print(f"grades: {results.out}/grades.csv, {results.out}/grades.json; each student's: {results.out}/students/")
    return NOT_MEASURED if held_back else PASSED


class Display:
    """Progress on standard error: a few lines that change on a terminal, a line for each end elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._running: dict[str, str] = {}
        self._rows: dict[str, Row] = {}
        self._turns: list[float] = []
        self._began = time.monotonic()
        self._live: Live | None = None

    def __enter__(self) -> Display:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            # No thread that refreshes: a fork must find one thread alone.
            self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._live:
            self._live.stop()

    def kept(self, rows: Sequence[Row]) -> None:
        """These were graded earlier, and nothing has changed since."""
        self._rows |= {row.key: row for row in rows}
        if rows:
            _say(f"{count(len(rows), 'result')} kept from before; --fresh starts over")

    def begun(self, job: Job) -> None:
        """A turn begins."""
        self._running[job.hand_in.key] = job.hand_in.name or job.hand_in.student
        self._show()

    def done(self, job: Job, row: Row) -> None:
        """A turn is done."""
        self._running.pop(row.key, None)
        self._rows[row.key] = row
        self._turns.append(time.monotonic() - self._began)
        if self._live is None:
            print(safe(f"{self._done}/{self._total} {row.student}: {_came(row)}"), file=sys.stderr, flush=True)
        self._show()

    @property
    def _done(self) -> int:
        return sum(row.state != "timed" for row in self._rows.values())

    def _show(self) -> None:
        if self._live is None:
            return
        from rich.text import Text

        passed = sum(row.final and row.passed for row in self._rows.values())
        failed = sum(row.final and not row.passed for row in self._rows.values())
        text = Text(f"{self._done} of {self._total} done", style="bold")
        text.append(f", {passed} passed everything", style="green")
        text.append(f", {failed} did not", style="red")
        if held_back := self._done - passed - failed:
            text.append(f", {held_back} not measured", style="yellow")
        if self._turns:
            left = (self._total - self._done) * self._turns[-1] / len(self._turns)
            text.append(f"   {_minutes(left)} left")
        text.append(f"\nrunning: {safe(', '.join(self._running.values()))}", style="dim")
        self._live.update(text, refresh=True)


def _came(row: Row) -> str:
    if row.state == "graded":
        return f"{row.points} of {row.of} points"
    if row.state == "timed":
        return "a failure rests on a time limit, so it is run once more, alone"
    return f"{row.state}: {row.why}"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"

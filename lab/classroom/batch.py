"""A whole class: who is graded, who is kept from before, who gets another turn, and what it comes to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.classroom.foreign import Foreign, Owners
from lab.classroom.foreign import told as foreign_told
from lab.classroom.intake import HandIn, fingerprint, open_hand_in
from lab.classroom.job import Batch, Job, redrawn
from lab.classroom.lateness import bring_up_to_date
from lab.classroom.likeness import Alike, everything, find_alike
from lab.classroom.likeness import fingerprint as fingerprint_of
from lab.classroom.results import Results, Row, row_of
from lab.errors import LabError
from lab.exercise import Exercise
from lab.pool import carry_out

_LOCK = ".lock"
_ELSEWHERE = "--out DIR keeps grades elsewhere"


@dataclass(frozen=True)
class Progress:
    """What happens, as it happens: earlier grades are kept, a turn begins, a turn is done."""

    kept: Callable[[Sequence[Row]], None]
    begun: Callable[[Job], None]
    done: Callable[[Job, Row], None]


def grade_all(
    batch: Batch, hand_ins: Sequence[HandIn], width: int, progress: Progress, *, fresh: bool
) -> dict[str, Row]:
    """Grade everyone who has no grade yet, `width` at a time; by key, what became of each.

    Then, with nothing beside them: who could not be measured once more, and last whose failure rests on a time limit.
    Each result is kept as it comes, so that this can be left at any moment and begun again.
    """
    rows: dict[str, Row] = {}
    first, confirm = [], {}
    for hand_in in hand_ins:
        job = Job(batch, hand_in, fingerprint(hand_in))
        told = None if fresh else kept(job)
        if told:
            told = bring_up_to_date(batch.results, batch.exercise, hand_in, told)
            job = replace(job, earlier=tuple(told["runs"]))
        if told and told["state"] in ("graded", "differs"):  # running on until it agrees would be a lottery
            rows[hand_in.key] = row_of(told)
        elif told and told["state"] == "timed":
            confirm[hand_in.key] = replace(job, alone=True)
        else:
            first.append(job)
    progress.kept(list(rows.values()))

    def done(job: Job, row: Row) -> None:
        rows[row.key] = row
        if row.state == "timed":
            confirm[row.key] = _again(job, alone=True)
        progress.done(job, row)

    carry_out(first, width, progress.begun, done)
    carry_out([_again(job) for job in first if rows[job.hand_in.key].state == "not measured"], 1, progress.begun, done)
    carry_out(list(confirm.values()), 1, progress.begun, done)
    still = [job for key, job in confirm.items() if rows[key].state == "not measured"]
    carry_out([_again(job, alone=True) for job in still], 1, progress.begun, done)
    return rows


def kept(job: Job) -> dict[str, Any] | None:
    """The kept result of a student, where nothing that it depends on has changed since."""
    told = job.batch.results.read(job.hand_in.key)
    if told is None or told["submission"]["sha256"] != job.sha256 or told["student"] != job.hand_in.student:
        return None
    return told if all(told.get(name) == value for name, value in job.batch.identity.items()) else None


def _again(job: Job, *, alone: bool = False) -> Job:
    """Another turn, which knows the runs of the earlier ones."""
    told = job.batch.results.read(job.hand_in.key)
    return replace(job, alone=alone, earlier=tuple(told["runs"]) if told else job.earlier)


def find_foreign(batch: Batch, hand_ins: Sequence[HandIn]) -> dict[str, tuple[Foreign, ...]]:
    """Note in each result whose values the submission answers with, where they are not its own; those found, by key."""
    if not batch.exercise.individual:
        return {}
    exercise, by_student = batch.exercise, {}
    for each in hand_ins:
        for student in each.members or (each.student,):
            values = redrawn(exercise, None, batch.variant(student)).values
            by_student[student] = {name: values[name] for name in exercise.individual}
    owners = Owners(by_student)
    teachers = [exercise.source.encode(), exercise.topology.source.encode(), *exercise.files.values()]
    found = {}
    for each in hand_ins:
        told = batch.results.read(each.key)
        if told is None or not told["runs"]:
            continue
        folder = batch.results.folder(each.key) / told["runs"][-1]["run"]
        texts = [*open_hand_in(exercise, each).files.values(), *_gathered(exercise, folder)]
        foreign = tuple(one for one in owners.find(each.student, texts, teachers) if one.student not in each.members)
        if foreign:
            found[each.key] = foreign
        if told.get("foreign", []) != foreign_told(foreign):
            batch.results.keep({**told, "foreign": foreign_told(foreign)})
    return found


def alike(batch: Batch, hand_ins: Sequence[HandIn], skeleton: Mapping[str, bytes]) -> list[Alike]:
    """Students whose files are copies up to names and layout, beyond the skeleton and the teacher's own files."""
    exercise = batch.exercise
    given = everything({**exercise.files, **skeleton})
    prints = {
        each.student: fingerprint_of(open_hand_in(exercise, each).files, given) for each in hand_ins if not each.problem
    }
    return find_alike(prints)


def _gathered(exercise: Exercise, run: Path) -> Iterator[bytes]:
    """What a submission's programs put on the wire and wrote, and the ports on which anything listened."""
    for path in run.glob("*.pcap"):
        yield path.read_bytes()
    for name in (step.name for step in exercise.steps if step.code == "submission"):
        for path in run.glob(f"steps/{name}.std*"):
            yield path.read_bytes()
    for path in run.glob("state/*.json"):
        nodes = json.loads(path.read_bytes())
        sockets = [socket for node in nodes.values() for socket in node["sockets"]]
        ports = {socket["port"] for socket in sockets if socket["state"] in ("LISTEN", "OPEN")}
        yield " ".join(map(str, ports)).encode()


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Keep a second `lab grade` out of a folder; raises `LabError` where one is at work in it."""
    import fcntl

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = os.open(out / _LOCK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise LabError(f"cannot keep grades in {out}: {error.strerror}", hint=_ELSEWHERE) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise LabError(f"another lab is at work in {out}", hint=f"wait for it, or {_ELSEWHERE}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            os.close(lock)


def absent(results: Results, present: Sequence[HandIn]) -> list[str]:
    """Students who have a kept result and are not among those who handed in now."""
    keys = {each.key for each in present}
    return [told["student"] for told in results if told["key"] not in keys]

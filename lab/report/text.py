"""The report of a run as `lab run` prints it: lines with the names of their styles, complete without any colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from lab.checks.base import Cause, FrameRef, Outcome
from lab.checks.names import count, quoted, who
from lab.evidence import Evidence
from lab.grade import UNVERIFIED, Grade, Hidden, Result, RootCause, students_view
from lab.report.safe import safe
from lab.trace.packets import TCP, Packet, flags_text
from lab.trace.words import summary

MOST_FRAMES = 12
SIGNS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_MEASURED: "?"}
_STYLES = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.NOT_MEASURED: "not-measured"}


class Line(NamedTuple):
    """A line of text, safe to print, and what it shows: "title", "cause", "passed", "failed", "not-measured",
    "frame", "look", "note" or "grade"."""

    style: str
    text: str


def report_lines(
    evidence: Evidence,
    grade: Grade,
    run_dir: PurePath | str,
    *,
    width: int = 100,
    called: str | None = None,
    students: bool = False,
) -> list[Line]:
    """The whole report, `width` columns wide where words allow it: causes first, then the rest, then the grade.

    `called` is what commands call the run, its directory by default. Whoever runs hidden checks has them before their
    eyes, so they are told; `students` makes it the report that a student may see, where they are only counted, and
    which names no run: that is on the teacher's machine.
    """
    teller = _Teller(evidence, "" if students else called or str(run_dir), width)
    view, unseen = students_view(grade) if students else (grade, Hidden(0, 0, 0))
    lines = [Line("title", f"{evidence.exercise.title or evidence.exercise.name} on {evidence.plan.name}")]
    told: set[str] = set()
    for root in view.causes:
        told.update(root.checks)
        lines += teller.cause(view, root)
    rest = [result for result in view.results if result.graded.id not in told]
    for outcome in (Outcome.FAILED, Outcome.NOT_MEASURED, Outcome.PASSED):
        for result in rest:
            if result.verdict.outcome is outcome:
                lines += teller.check(result)
    lines += teller.notes(unseen)
    lines += _grade(grade, view)
    if not students:
        lines.append(Line("note", f"run: {run_dir}"))
    return [Line(style, safe(text)) for style, text in lines]


def frame_words(evidence: Evidence, ref: FrameRef) -> str:
    """A frame in one line: who sends what to whom, by the names of nodes."""
    capture = evidence.captures.get(ref.point)
    packet = next((p for p in capture.packets if p.number == ref.number), None) if capture else None
    return f"{ref.point} #{ref.number}  {_words(evidence, packet)}" if packet else f"{ref.point} #{ref.number}"


def _words(evidence: Evidence, packet: Packet) -> str:
    if not packet.version or packet.refusal is not None:
        return summary(packet)
    ends = f"{who(evidence.plan, packet.src)} → {who(evidence.plan, packet.dst)}"
    if packet.protocol != TCP:
        return f"{ends}  {summary(packet)}"
    payload = f"  {quoted(packet.payload, 30)}" if packet.payload_length else ""
    return f"{ends}  {flags_text(packet.flags) or 'no flag'}{payload}"


class _Teller:
    """Tells the parts of one report, all as wide as it is."""

    def __init__(self, evidence: Evidence, called: str, width: int) -> None:
        self._evidence = evidence
        self._called = called
        self._width = width
        self._told: list[str] = []  # the texts of the causes so far

    def cause(self, grade: Grade, root: RootCause) -> Iterator[Line]:
        """A cause, the check that shows it best, and the others in one line."""
        best, *further = ({result.graded.id: result for result in grade.results}[each] for each in root.checks)
        self._told.append(root.cause.text)
        yield from self._wrapped("cause", "CAUSE  ", root.cause.text)
        yield from self._quotation(root.cause)
        yield from self.check(best)
        if further:
            names = ", ".join(result.graded.id for result in further)
            told = f"{count(len(further), 'further check')} failed for this cause: {names}"
            yield from self._wrapped("note", "  ", told)
        for result in further:
            if result.hint:
                yield from self._wrapped("look", f"   hint of {result.graded.id}: ", result.hint)

    def _quotation(self, cause: Cause) -> Iterator[Line]:
        """A program's last lines, each on one line: what it wrote may be as wide as it likes."""
        if len(cause.lines) > 1:
            for line in map(safe, cause.lines):
                text = f"   stderr │ {line}"
                yield Line("note", text if len(text) <= self._width else f"{text[: self._width - 1]}…")

    def check(self, result: Result) -> Iterator[Line]:
        """A check: what became of it, the frames that show it, and where to look."""
        verdict, graded = result.verdict, result.graded
        points = f" {result.points}/{result.of}" if graded.counts else ""
        head = f"{SIGNS[verdict.outcome]} {graded.id}{points}   "
        if verdict.outcome is Outcome.PASSED:
            yield from self._wrapped("passed", head, verdict.seen)
            if verdict.frames:
                yield from self._wrapped("frame", "   ", _short(verdict.frames))
            return
        yield from self._wrapped(_STYLES[verdict.outcome], head, f"expected: {verdict.expected}; seen: {verdict.seen}")
        for ref in verdict.frames[:MOST_FRAMES]:
            yield from self._wrapped("frame", "   ", frame_words(self._evidence, ref))
        if len(verdict.frames) > MOST_FRAMES:
            yield Line("frame", f"   … and {count(len(verdict.frames) - MOST_FRAMES, 'frame')} more")
        yield from self._look(verdict.frames, verdict.cause)
        if result.hint:
            yield from self._wrapped("look", "   hint: ", result.hint)

    def _look(self, frames: Sequence[FrameRef], cause: Cause | None) -> Iterator[Line]:
        """Where to look, and the command that tells more: never broken, for it is there to be copied."""
        look = f"look at: {cause.look_at}" if cause and cause.look_at else ""
        more = f"more: lab frame {self._called} {frames[-1]}" if frames and self._called else ""
        both = f"   {look}   {more}"
        if look and more and len(both) <= self._width:
            yield Line("look", both)
            return
        if look:
            yield from self._wrapped("look", "   ", look)
        if more:
            yield Line("look", f"   {more}")

    def notes(self, unseen: Hidden) -> Iterator[Line]:
        """What the evidence lacks, what is to be said of the hand-in, and that there is more than is shown."""
        places: dict[str, list[str]] = {}
        for gap in self._evidence.gaps:
            places.setdefault(gap.what, []).append(gap.where or "the run")
        for what, where in places.items():
            yield from self._wrapped("note", "gap in the evidence: ", f"{', '.join(where)}: {what}")
        for problem in self._evidence.handed_in:
            if not any(problem in cause for cause in self._told):
                yield from self._wrapped("note", "hand-in: ", problem)
        told = self._evidence.manifest.get("submission")
        for note in told.get("notes", ()) if isinstance(told, dict) else ():
            yield from self._wrapped("note", "note: ", note)
        if unseen.checks:
            yield Line("note", f"{count(unseen.checks, 'hidden check')}: {unseen.points} of {unseen.of} points")

    def _wrapped(self, style: str, head: str, text: str) -> Iterator[Line]:
        """Text behind a head, broken at words, later lines indented. Made safe first: wrapping would eat controls."""
        width = max(self._width, 20)
        wrapper = textwrap.TextWrapper(width, head, "   ", break_long_words=False, break_on_hyphens=False)
        for line in wrapper.wrap(safe(text)) or [head.rstrip()]:
            yield Line(style, line)


def _short(frames: Sequence[FrameRef]) -> str:
    """Frames as `client:eth0 #3 #4, r1:eth0 #2`."""
    by_point: dict[str, list[int]] = {}
    for ref in frames:
        by_point.setdefault(ref.point, []).append(ref.number)
    return ", ".join(f"{point} {' '.join(f'#{n}' for n in numbers)}" for point, numbers in by_point.items())


def _grade(grade: Grade, view: Grade) -> Iterator[Line]:
    seen = {result.graded.id for result in view.results}
    open_ones = [r.graded.id if r.graded.id in seen else "a hidden check" for r in grade.results
                 if r.graded.counts and r.verdict.outcome is Outcome.NOT_MEASURED]  # fmt: skip
    text = f"GRADE  {grade.points} of {grade.of} points" if grade.of else "No check of this exercise is graded."
    if open_ones:
        text += f", held back: {', '.join(dict.fromkeys(open_ones))} could not be measured"
    yield Line("grade", text + grade.unverified * f", {UNVERIFIED}: the captures were handed in")

"""The report of a run as `lab run` prints it: lines with the names of their styles, complete without any colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from lab.checks.base import FrameRef, Outcome
from lab.checks.names import count, quoted, who
from lab.evidence import Evidence
from lab.grade import Grade, Result, RootCause
from lab.report.safe import safe
from lab.trace.packets import TCP, Packet, flags_text
from lab.trace.words import summary

MOST_FRAMES = 12
_SIGNS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_MEASURED: "?"}
_STYLES = {Outcome.PASSED: "passed", Outcome.FAILED: "failed", Outcome.NOT_MEASURED: "not-measured"}


class Line(NamedTuple):
    """A line of text, safe to print, and what it shows: "title", "cause", "passed", "failed", "not-measured",
    "frame", "look", "note" or "grade"."""

    style: str
    text: str


def report_lines(evidence: Evidence, grade: Grade, run_dir: PurePath | str, *, width: int = 100) -> list[Line]:
    """The whole report, `width` columns wide where words allow it: causes first, then the rest, then the grade."""
    lines = [Line("title", f"{evidence.exercise.title or evidence.exercise.name} on {evidence.plan.name}")]
    told: set[str] = set()
    for root in grade.causes:
        told.update(root.checks)
        lines += _cause(evidence, grade, root, run_dir, width)
    rest = [result for result in grade.results if result.graded.id not in told]
    for outcome in (Outcome.FAILED, Outcome.NOT_MEASURED, Outcome.PASSED):
        for result in rest:
            if result.verdict.outcome is outcome:
                lines += _check(evidence, result, run_dir, width)
    lines += _notes(evidence)
    lines += _grade(grade, run_dir)
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


def _cause(evidence: Evidence, grade: Grade, root: RootCause, run_dir: PurePath | str, width: int) -> Iterator[Line]:
    by_id = {result.graded.id: result for result in grade.results}
    yield from _wrapped("cause", "CAUSE  ", root.cause.text, width)
    yield from _check(evidence, by_id[root.checks[0]], run_dir, width)
    if further := root.checks[1:]:
        told = f"{count(len(further), 'further check')} failed for this cause: {', '.join(further)}"
        yield from _wrapped("note", "  ", told, width)


def _check(evidence: Evidence, result: Result, run_dir: PurePath | str, width: int) -> Iterator[Line]:
    verdict, graded = result.verdict, result.graded
    outcome, frames = verdict.outcome, verdict.frames
    points = f" {result.points}/{result.of}" if graded.counts else ""
    head = f"{_SIGNS[outcome]} {graded.id}{points}   "
    if outcome is Outcome.PASSED:
        yield from _wrapped("passed", head, verdict.seen, width)
        if frames:
            yield from _wrapped("frame", "   ", _short(frames), width)
        return
    yield from _wrapped(_STYLES[outcome], head, f"expected: {verdict.expected}; seen: {verdict.seen}", width)
    for ref in frames[:MOST_FRAMES]:
        yield Line("frame", f"   {frame_words(evidence, ref)}")
    if len(frames) > MOST_FRAMES:
        yield Line("frame", f"   … and {count(len(frames) - MOST_FRAMES, 'frame')} more")
    more = f"more: lab frame {run_dir} {frames[-1]}" if frames else ""
    look = f"look at: {verdict.cause.look_at}" if verdict.cause and verdict.cause.look_at else ""
    one_line = f"   {look}   {more}" if look and more else ""
    for text in [one_line] if 0 < len(one_line) <= width else [f"   {text}" for text in (look, more) if text]:
        yield Line("look", text)
    if graded.hint and outcome is Outcome.FAILED:
        yield from _wrapped("look", "   hint: ", graded.hint, width)


def _short(frames: Sequence[FrameRef]) -> str:
    """Frames as `client:eth0 #3 #4, r1:eth0 #2`."""
    by_point: dict[str, list[int]] = {}
    for ref in frames:
        by_point.setdefault(ref.point, []).append(ref.number)
    return ", ".join(f"{point} {' '.join(f'#{n}' for n in numbers)}" for point, numbers in by_point.items())


def _notes(evidence: Evidence) -> Iterator[Line]:
    for gap in evidence.gaps:
        yield Line("note", f"gap in the evidence: {gap.where or 'the run'}: {gap.what}")
    told = evidence.manifest.get("submission")
    for note in told.get("notes", ()) if isinstance(told, dict) else ():
        yield Line("note", f"note: {note}")


def _grade(grade: Grade, run_dir: PurePath | str) -> Iterator[Line]:
    open_ids = [result.graded.id for result in grade.results
                if result.graded.counts and result.verdict.outcome is Outcome.NOT_MEASURED]  # fmt: skip
    text = f"GRADE  {grade.points} of {grade.of} points" if grade.of else "No check of this exercise is graded."
    if open_ids:
        text += f", held back: {', '.join(open_ids)} could not be measured"
    yield Line("grade", text)
    yield Line("note", f"run: {run_dir}")


def _wrapped(style: str, head: str, text: str, width: int) -> Iterator[Line]:
    """Text behind a head, broken at words, later lines indented. Made safe first: wrapping would eat controls."""
    wrapper = textwrap.TextWrapper(max(width, 20), head, "   ", break_long_words=False, break_on_hyphens=False)
    for line in wrapper.wrap(safe(text)) or [head.rstrip()]:
        yield Line(style, line)

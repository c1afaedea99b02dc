"""The conversations of capture files: streamed, each capture point judged by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab import console
from lab.errors import LabError
from lab.report.safe import safe
from lab.trace.datagrams import Exchange
from lab.trace.flows import Conversation
from lab.trace.ladder import Line, ladder
from lab.trace.numbers import LINKS
from lab.trace.packets import Packet
from lab.trace.pcap import ETHERNET, open_trace
from lab.trace.pcapng import Pcapng
from lab.trace.survey import Survey, Trace, one_conversation
from lab.trace.table import EXCHANGES, HEADINGS, exchange_row, loss, table, told

if TYPE_CHECKING:
    from lab.plan import Plan

_MOST = 10_000  # packets that a ladder is drawn from


@dataclass(frozen=True, slots=True)
class _Point:
    """A capture point: an interface of a file. `only` is whether the file has no other."""

    file: Path
    index: int
    interface: str | None
    link_type: int
    only: bool
    survey: Survey

    @property
    def title(self) -> str:
        return str(self.file) if self.only else f"{self.file}, interface {self.interface}"

    @property
    def talks(self) -> list[Conversation]:
        return self.survey.points.get(self.index, [])

    @property
    def undecoded(self) -> str:
        """That its frames are of a link that is not decoded, or nothing."""
        if self.link_type in LINKS or self.index not in self.survey.points:
            return ""
        return f"frames of link type {self.link_type} are not decoded"

    @property
    def datagrams(self) -> list[Exchange]:
        return self.survey.datagrams.get(self.index, [])


def trace_files(sources: Sequence[str], number: int | None, as_json: bool) -> None:
    """Print the conversations of capture files, numbered through all of them; one, or the only one, as a ladder."""
    points = [point for source in sources for point in _points(Path(source), frames=as_json)]
    numbered = list(enumerate(((point, talk) for point in points for talk in point.talks), 1))
    if number is not None and not 1 <= number <= len(numbered):
        raise LabError(f"there is no conversation {number}", hint=f"there are {len(numbered)}")
    if as_json:
        for point in points:
            if point.undecoded:
                console.say(f"{point.title}: {point.undecoded}")
        console.show_json([_told(index, point, talk) for index, (point, talk) in numbered])
        return
    before = 0
    for point in points:
        if len(points) > 1:
            console.show([("title", point.title)])
        if point.talks:
            rows = [(str(before + index), *row[1:]) for index, row in enumerate(table(point.talks), 1)]
            console.show(console.table(HEADINGS, rows))
            if lost := loss(enumerate(point.talks, before + 1)):
                console.show([("note", lost)])
        else:
            print(point.undecoded or "no TCP conversation was captured")
        if point.datagrams:
            console.show([("", ""), *console.table(EXCHANGES, [exchange_row(each) for each in point.datagrams])])
        before += len(point.talks)
    if number or len(numbered) == 1:
        _, (point, talk) = numbered[(number or 1) - 1]
        _draw(point, talk, asked=number is not None)


def _points(file: Path, *, frames: bool) -> list[_Point]:
    with _opened(file) as trace:
        survey = Survey(trace, frames=frames)
    if trace.problem:
        console.say(f"{file}: {trace.problem}; the frames before it are shown")
    if survey.damaged:
        what = "a frame has" if survey.damaged == 1 else f"{survey.damaged} frames have"
        console.say(f"{file}: {what} a wrong checksum; one that an interface computes is not yet there in its capture")
    if not isinstance(trace, Pcapng):
        return [_Point(file, 0, None, trace.link_type, True, survey)]
    only = len(survey.points) < 2
    names = [each.name or str(index) for index, each in enumerate(trace.interfaces)]
    links = [each.link_type for each in trace.interfaces]
    return [_Point(file, index, names[index], links[index], only, survey) for index in survey.points] or [
        _Point(file, 0, None, ETHERNET, True, survey)
    ]


def _told(index: int, point: _Point, talk: Conversation) -> dict[str, Any]:
    where = {"file": str(point.file), "interface": point.interface}
    return told(index, talk, point.survey.frames(talk)) | where


def _draw(point: _Point, talk: Conversation, *, asked: bool) -> None:
    if not point.file.is_file():  # a pipe gives its bytes once
        if asked:
            raise LabError(f"{point.file} cannot be read twice, which a ladder needs", hint="save it to a file first")
        return
    with _opened(point.file) as trace:
        packets, whole = one_conversation(trace, point.index, talk.index, _MOST)
    console.show([("", ""), *drawn({point.file.name: packets}, None, whole)])
    if len(packets) == _MOST:
        console.say(f"the conversation is drawn from its first {_MOST} frames")


def drawn(captures: Mapping[str, Sequence[Packet]], plan: Plan | None, talk: Conversation | None) -> list[Line]:
    """A conversation as a ladder for this terminal; see `ladder`."""
    return [Line(style, safe(text)) for style, text in ladder(captures, plan, talk, width=console.width())]


@contextmanager
def _opened(file: Path) -> Iterator[Trace]:
    try:
        with file.open("rb") as stream:
            yield open_trace(stream, str(file))
    except OSError as error:
        hint = "a run directory goes alone; --conversation N draws its Nth conversation" if file.is_dir() else ""
        raise LabError(f"cannot read {file}: {error.strerror}", hint=hint) from None

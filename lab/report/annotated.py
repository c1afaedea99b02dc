"""A run as one pcapng file for Wireshark: every capture point, and beside the frames the verdicts that they show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from lab import __version__
from lab.checks.base import FrameRef
from lab.checks.names import count
from lab.evidence import Evidence
from lab.grade import Grade, Hidden, Result, students_view
from lab.report.safe import safe
from lab.report.text import SIGNS
from lab.trace.packets import Packet
from lab.trace.path import Paths
from lab.trace.pcap import ETHERNET
from lab.trace.pcapng_write import Record, write


def write_annotated(stream: BinaryIO, evidence: Evidence, grade: Grade) -> None:
    """Write all frames in causal order, an interface a capture point, names as the plan has them.

    A frame's comment tells what the checks that show it have seen; the file's comment tells grade and root causes.
    Such a file is passed around, so of hidden checks it says no more than a student may see.
    """
    view, hidden = students_view(grade)
    points = list(evidence.captures)
    networks = {interface.point: interface.network for interface in evidence.plan.interfaces}
    write(
        stream,
        [(point, f"network {networks.get(point, '?')}") for point in points],
        _records(evidence, points, _comments(view)),
        link_type=ETHERNET,
        names=dict(evidence.plan.names),
        application=f"lab {__version__}",
        comment=_summary(evidence, grade, view, hidden),
    )


def _records(evidence: Evidence, points: list[str], comments: Mapping[FrameRef, list[str]]) -> Iterator[Record]:
    index = {point: number for number, point in enumerate(points)}
    macs = {point: bytes.fromhex(each.mac.replace(":", "")) for point, each in evidence.plan.points.items()}
    captures: dict[str, tuple[Packet, ...]] = {point: evidence.captures[point].packets for point in points}
    for crossing in Paths(captures, macs).in_order():
        for point, packet in ((sighting.point, sighting.packet) for sighting in crossing.sightings):
            frame = FrameRef(point, packet.number)
            comment = "\n".join([*comments[frame], f"in the report: {frame}"]) if frame in comments else ""
            yield Record(index[point], packet.time, packet.length, packet.data, comment)


def _comments(grade: Grade) -> Mapping[FrameRef, list[str]]:
    found: dict[FrameRef, list[str]] = defaultdict(list)
    for result in grade.results:
        for frame in dict.fromkeys(result.verdict.frames):
            found[frame].append(_told(result))
    return found


def _told(result: Result) -> str:
    points = f" {result.points}/{result.of}" if result.of else ""
    return safe(f"{SIGNS[result.verdict.outcome]} {result.graded.id}{points}: {result.verdict.seen}")


def _summary(evidence: Evidence, grade: Grade, view: Grade, hidden: Hidden) -> str:
    lines = [f"{evidence.exercise.name}: {grade.outcome}, {grade.points} of {grade.of} points"]
    lines += [f"{root.cause.text} ({', '.join(root.checks)})" for root in view.causes]
    lines += [_told(result) for result in view.results]
    if hidden.checks:
        lines.append(f"{count(hidden.checks, 'hidden check')}: {hidden.points} of {hidden.of} points")
    return "\n".join(safe(line) for line in lines)

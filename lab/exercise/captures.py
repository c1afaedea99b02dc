"""`evidence: submitted`: the captures of a student's own stand in for those of a run, and prove nothing for certain."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lab.exercise.model import Graded
from lab.grammar import Context, Record
from lab.topology.model import Topology

_LIVE = ("reach", "state")  # checks that ask a kernel


def submitted_points(
    record: Record, topology: Topology, graded: Sequence[Graded], anew: Collection[str], context: Context
) -> tuple[str, ...]:
    """The capture points of the files that are handed in; reports what does not go with captures alone.

    `anew` are the values that are drawn in each run.
    """
    for key in ("steps", "faults", "capture"):
        if key in record:
            what = f"nothing is run where evidence is submitted, so there is no place for {key}"
            context.report(record.at(key), what, f"leave {key} out, or leave evidence: submitted out")
    for name in sorted(anew):
        what = f"value {name} is another one in each run, and nothing runs"
        context.report(record.at("values"), what, f"write it out, or draw one a student: {name}: {{draw: token}}")
    for each in graded:
        if each.check.kind in _LIVE:
            what = f"check {each.id} asks a kernel, and captures are all that is handed in"
            context.report(record.at("checks"), what, "leave it out: packets alone have to tell")
    known = [f"{node.name}:{each.name}" for node in topology.nodes for each in node.interfaces]
    by_file = {file_of(point): point for point in known}
    written: Record | None = record.get("submission")
    files = written.get("files", ()) if written is not None else ()
    if not files:
        what, hint = "nothing says which captures are handed in", f"submission: {{files: [{next(iter(by_file), '')}]}}"
        context.report(record.at("evidence"), what, hint)
    for name in files:
        if name not in by_file and known:
            hint = f"one a capture point: {', '.join(list(by_file)[:6])}"
            context.report((written or record).at("files"), f"{name} is no capture point's file", hint)
    return tuple(by_file[name] for name in files if name in by_file)


def file_of(point: str) -> str:
    """The name of a capture point's file."""
    return f"{point.replace(':', '.')}.pcap"

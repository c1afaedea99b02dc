"""What an exercise must satisfy beyond its grammar, and its record turned into an `Exercise`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from lab.exercise.captures import submitted_points
from lab.exercise.faults import Fault, build_fault
from lab.exercise.late import build_late
from lab.exercise.model import Exercise, Graded, Ready, Step, Stop, Submission
from lab.grammar import At, Context, Record, Refused, parameters
from lab.topology.model import Topology


def build_exercise(
    record: Record, topology: Topology, checks: Mapping[str, type], context: Context, **rest: Any
) -> Exercise:
    """The exercise of a record; worth nothing where problems were reported on the way."""
    written: Record = record.get("submission", Record(record.place))
    handed_in = "files" in written or ("submission" in record and not written.sound)
    steps = tuple(
        _step(each, f"step{number}", handed_in, context) for number, each in enumerate(record.get("steps", ()), 1)
    )
    _step_order(record.get("steps", ()), steps, context)
    capture = record.get("capture", "all")
    graded = _checks(record.get("checks", ()), checks, context)
    _recorded(record.get("checks", ()), graded, steps, context)
    points = _captured(record, None if capture == "all" else capture, steps, topology, context)
    if unverified := "evidence" in record:
        anew = set(rest.get("drawn", ())) - set(rest.get("individual", ()))
        points = submitted_points(record, topology, graded, anew, context)
    return Exercise(
        name=record.get("name", ""),
        topology=topology,
        steps=steps,
        checks=graded,
        faults=_faults(record.get("faults", ()), topology, graded, context),
        title=record.get("title", ""),
        values=context.values or {},
        submission=Submission(written.get("files", ()), written.get("routes")),
        capture=points,
        unverified=unverified,
        settle=record.get("settle", 2.0),
        late=build_late(record.get("late")),
        **rest,
    )


def _captured(
    record: Record, chosen: tuple[str, ...] | None, steps: Sequence[Step], topology: Topology, context: Context
) -> tuple[str, ...] | None:
    """Where packets are captured: nowhere on a node with a privileged step, which could change what is seen there."""
    privileged = {step.node for step in steps if step.privilege}
    if not privileged:
        return chosen
    points = [f"{node.name}:{each.name}" for node in topology.nodes for each in node.interfaces]
    kept = tuple(each for each in chosen or points if each.partition(":")[0] not in privileged)
    if points and not kept:
        what = "no packet would be captured: nothing is on a node with a privileged step"
        place = record.at("capture" if chosen else "steps")
        context.report(place, what, "a node beside it has to have none, and to be captured")
    return kept


def _step(record: Record, name: str, handed_in: bool, context: Context) -> Step:
    _run(record, handed_in, context)
    code = record.get("code")
    stop = record.get("stop")
    if isinstance(stop, Record):
        stop = Stop(stop.get("step", ""), stop.get("signal", "TERM"))
    elif stop is not None:
        stop = Stop(stop)
    return Step(
        name=record.get("name", name),
        node=record.get("node"),
        run=record.get("run"),
        code=tuple(each.value for each in code) if isinstance(code, tuple) else code,
        background=record.get("background", False),
        stdin=record.get("stdin", b""),
        env=tuple((each.name, each.value or "") for each in record.get("env", ())),
        timeout=record.get("timeout", 10.0),
        ready=_ready(record.get("ready")),
        wait=record.get("wait"),
        stop=stop,
        mounts=record.get("mounts", ()),
        calls=record.get("calls", False),
        privilege=record.get("privilege"),
    )


def _run(record: Record, handed_in: bool, context: Context) -> None:
    if "ready" in record and record.get("background") is False:
        what = "only a background step can be ready while it runs"
        context.report(record.at("ready"), what, "say background: true, or leave ready out")
    code: str | Sequence[At[str]] | None = record.get("code")
    if code == "submission" and not handed_in:
        what = "nothing says which files are handed in"
        context.report(record.at("code"), what, "add submission: {files: [server.py]} at the top of the exercise")
    for each in code if isinstance(code, tuple) else ():
        try:
            if context.read is not None:
                context.read(each.value)
        except Refused as refused:
            context.report(each.place, refused.what, refused.hint)


def _ready(record: Record | None) -> Ready | None:
    if record is None:
        return None
    return Ready(record.get("within", 5.0), record.get("tcp"), record.get("udp"), record.get("output"))


def _step_order(records: Sequence[Record], steps: Sequence[Step], context: Context) -> None:
    """Names are unique; only background steps that began already can be waited for or stopped."""
    before: dict[str, Step] = {}
    names = {step.name for step in steps}
    for record, step in zip(records, steps, strict=True):
        targets = [("wait", name) for name in step.wait or ()]
        if step.stop:
            targets.append(("stop", step.stop.step))
        for key, name in targets:
            if name in names and name not in before:
                hint = "put this step after it" if name != step.name else ""
                context.report(record.at(key), f"step {name} has not begun when this step comes", hint)
            elif name in before and not before[name].background:
                what = f"step {name} has ended when this step comes"
                context.report(record.at(key), what, f"give {name} background: true, or leave this step out")
        if step.name in before:
            context.report(record.at("name"), f"two steps are called {step.name}", "give each a name of its own")
        before.setdefault(step.name, step)


def _faults(
    records: Sequence[Record], topology: Topology, graded: Sequence[Graded], context: Context
) -> tuple[Fault, ...]:
    """Names are unique; a fault that waits for a packet has a check on which something graded rests.

    Where that packet never comes nothing was tried, so without such a check points would be given for nothing.
    """
    needed = {name for each in graded if each.counts for name in (each.id, *each.needs)}
    proved = {getattr(each.check, "fault", None) for each in graded if each.id in needed}
    found: dict[str, Fault] = {}
    for record in records:
        fault = build_fault(record, topology, context)
        if fault.id in found:
            context.report(record.at("id"), f"two faults are called {fault.id}", "give each an id of its own")
        elif fault.packets is not None and fault.id and fault.id not in proved and not context.problems:
            what = f"no graded check rests on fault {fault.id}, which may never strike"
            check = f"{{id: {fault.id}, check: fault, fault: {fault.id}}}"
            hint = f"add {check}, and needs: [{fault.id}] to what it is about"
            context.report(record.place, what, hint)
        found.setdefault(fault.id, fault)
    return tuple(found.values())


def _checks(written: Sequence[tuple[str, Record]], kinds: Mapping[str, type], context: Context) -> tuple[Graded, ...]:
    graded: list[Graded] = []
    needs: dict[str, tuple[str, ...]] = {}
    for kind, record in written:
        name: str = record.get("id", "")
        if name in needs:
            context.report(record.at("id"), f"two checks have the id {name}", "give each an id of its own")
        elif name:
            needs[name] = record.get("needs", ())
            if circle := _circle(name, needs):
                what = f"needs goes in a circle: {' → '.join(circle)}"
                context.report(record.at("needs"), what, "take one of them out")
        check = _check(kinds[kind], record, context) if kind else None
        if check is not None:
            graded.append(
                Graded(
                    name,
                    cast(Any, check),
                    record.get("points", 0),
                    record.get("needs", ()),
                    record.get("hint", ""),
                    record.get("visible", True),
                )
            )
    return tuple(graded)


def _recorded(
    written: Sequence[tuple[str, Record]], graded: Sequence[Graded], steps: Sequence[Step], context: Context
) -> None:
    """A check of system calls is about a step that has them recorded."""
    places = {record.get("id"): record.at("step") for _, record in written}
    silent = {step.name for step in steps if not step.calls}
    for each in graded:
        if getattr(each.check, "reads_calls", False) and (step := getattr(each.check, "step", "")) in silent:
            what = f"the system calls of step {step} are not recorded"
            context.report(places[each.id], what, f"add calls: true to step {step}")


def _circle(start: str, needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The ids from `start` back to itself, in the order of needing; empty where there is no way back."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop()
        for name in needs.get(way[-1], ()):
            if name == start:
                return [*way, start]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _check(kind: type, record: Record, context: Context) -> object | None:
    """The check of a record; None where a parameter was refused or is missing."""
    arguments = {each.field: record.values[each.key] for each in parameters(kind) if each.key in record.values}
    if not record.sound:
        return None
    check: object = kind(**arguments)
    for key, what, hint in getattr(check, "problems", tuple)():
        context.report(record.at(key), what, hint)
    return check

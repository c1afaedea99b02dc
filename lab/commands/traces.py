"""Packets shown: conversations as a table, one as a ladder, a frame layer by layer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab import console
from lab.commands.files import drawn, trace_files
from lab.errors import LabError
from lab.trace import pcap
from lab.trace.datagrams import Exchange, udp_conversations
from lab.trace.flows import Conversation, tcp_conversations
from lab.trace.ladder import Line
from lab.trace.packets import Packet, decode
from lab.trace.table import EXCHANGES, HEADINGS, exchange_row, loss, table, told

if TYPE_CHECKING:
    from lab.evidence import Evidence
    from lab.plan import Plan

Captures = Mapping[str, Sequence[Packet]]


def trace(
    sources: Sequence[str], number: int | None, point: str | None, runs: str, as_json: bool, everything: bool = False
) -> None:
    """Print the conversations of a run or of capture files; one of them, the only one, or everything as a ladder."""
    given = Path(sources[0])
    if len(sources) == 1 and (given.is_dir() or not given.exists()):
        from lab.gather.rundir import find_run, load

        evidence = load(find_run(sources[0], runs))
        captures = _chosen({name: capture.judged for name, capture in evidence.captures.items()}, point)
        _trace(captures, evidence.plan, number, everything, as_json)
        return
    if point is not None or everything:
        what = "--point chooses a capture point" if point is not None else "--all draws all packets"
        raise LabError(f"{what} of a run, and files were given", hint="leave it out")
    trace_files(sources, number, as_json)


def _chosen(captures: Captures, point: str | None) -> Captures:
    if point is None:
        return captures
    if point not in captures:
        raise LabError(f"the run has no capture point {point}", hint="it has " + ", ".join(captures))
    return {point: captures[point]}


def _packets(path: Path) -> tuple[Packet, ...]:
    try:
        with path.open("rb") as stream:
            captured = pcap.open_trace(stream, str(path))
            packets = tuple(decode(*frame) for frame in captured)
    except OSError as error:
        raise LabError(f"cannot read {path}: {error.strerror}") from None
    if captured.problem:
        console.say(f"{path}: {captured.problem}; the frames before it are shown")
    return packets


def _trace(captures: Captures, plan: Plan, number: int | None, everything: bool, as_json: bool) -> None:
    found = conversations(captures.values())
    if number is not None and not 1 <= number <= len(found):
        raise LabError(f"there is no conversation {number}", hint=f"there are {len(found)}")
    if as_json:
        numbers = [[packet.number for packet in talk.packets] for talk in found]
        console.show_json([told(index, *each, plan) for index, each in enumerate(zip(found, numbers, strict=True), 1)])
        return
    if found:
        rows = [(str(index), *row[1:]) for index, row in enumerate(table(found, plan), 1)]
        console.show(console.table(HEADINGS, rows))
        if lost := loss(enumerate(found, 1)):
            console.show([("note", lost)])
    else:
        print("no TCP conversation was captured")
    datagrams = _datagrams(captures)
    if datagrams:
        console.show([("", ""), *console.table(EXCHANGES, [exchange_row(each, plan) for each in datagrams])])
    shown = found[number - 1] if number else found[0] if len(found) == 1 and not datagrams else None
    if everything or shown or not found:
        console.show([("", ""), *drawn(captures, plan, None if everything else shown)])
    else:
        console.show([("", ""), ("dim", "-c 1 draws the first of them as a ladder, --all everything")])


def _datagrams(captures: Captures) -> list[Exchange]:
    """Each exchange of datagrams once, as the first capture point that has it saw it."""
    found: dict[frozenset[tuple[bytes, int]], Exchange] = {}
    for packets in captures.values():
        for exchange in udp_conversations(packets):
            found.setdefault(frozenset((exchange.client, exchange.server)), exchange)
    return sorted(found.values(), key=lambda exchange: exchange.packets[0].time)


def conversations(captures: Iterable[Sequence[Packet]]) -> list[Conversation]:
    """Each TCP conversation once, as the first capture point that has it saw it."""
    found: dict[object, Conversation] = {}
    for packets in captures:
        for talk in tcp_conversations(packets):
            # A router on one way alone sees only half of a conversation that another point has whole.
            if talk.start_missing and any(talk.key == whole.key for whole in found.values()):
                continue
            found.setdefault((talk.key, talk.client.isn), talk)
    return sorted(found.values(), key=lambda talk: talk.started)


def ladder_of(evidence: Evidence) -> list[Line]:
    """The first conversation of a run as a ladder."""
    captures = {name: capture.judged for name, capture in evidence.captures.items()}
    found = conversations(captures.values())
    return drawn(captures, evidence.plan, found[0] if found else None)


def frame(given: str, name: str, runs: str, as_json: bool) -> None:
    """Explain one frame of a run, or of a capture file (`#4`)."""
    from lab.gather.rundir import find_run, load
    from lab.report.frame import frame_lines
    from lab.trace.explain import explain
    from lab.yaml.text import show

    point, _, number = name.rpartition("#")
    path = Path(given)
    if not (number.isascii() and number.isdigit()) or not (point or path.is_file()):
        raise LabError(f'"{show(name)}" names no frame', hint="a frame is written POINT#NUMBER, such as client:eth0#4")
    plan: Plan | None = None
    if path.is_file():
        packets: Sequence[Packet] = _packets(path)
    else:
        evidence = load(find_run(given, runs))
        plan = evidence.plan
        packets = _chosen({each: capture.packets for each, capture in evidence.captures.items()}, point)[point]
    number = number.lstrip("0")  # stays text: Python makes no number of thousands of digits
    wanted = next((packet for packet in packets if str(packet.number) == number), None)
    if wanted is None:
        raise LabError(f"there is no frame {show(name)}", hint=f"there are {len(packets)} frames")
    layers = explain(wanted, plan)
    if as_json:
        console.show_json([dataclasses.asdict(layer) for layer in layers])
        return
    console.show(frame_lines(layers, width=console.width()))

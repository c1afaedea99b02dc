"""An exercise's faults on a live lab: set before its steps, done at their moments, and told in the evidence."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.errors import LabError, NotMeasuredError
from lab.evidence import Gap
from lab.exercise import Exercise
from lab.exercise.faults import Fault
from lab.plan import Plan
from lab.runtime.base import LiveLab
from lab.trace import pcap

_FLOOD = 20_000  # frames: a relay that lost some of so many was flooded, one that lost some of a few is our fault


class Faults:
    """The faults of one run. What the relay did is known after `finish`."""

    def __init__(self, lab: LiveLab, exercise: Exercise, plan: Plan) -> None:
        self._lab = lab
        self._exercise = exercise
        self._points = {fault.id: fault.points(exercise.topology) for fault in exercise.faults}
        self._networks = {interface.point: interface.network for interface in plan.interfaces}
        self._done: dict[str, list[dict[str, Any]]] = {fault.id: [] for fault in exercise.faults}
        self._stopped: set[str] = set()
        self._report: dict[str, Any] = {}
        self._broken = ""
        linked = any(not network.link.plain for network in plan.networks)
        self.active = bool(exercise.faults) or linked or bool(lab.relay({})["networks"])  # changed by hand: lab link
        self.awaited = any(fault.action == "stop" and fault.packets for fault in exercise.faults)

    def begin(self) -> None:
        """Have the relay take the networks that faults are about, and watch for the frames that they wait for."""
        faults = self._exercise.faults
        if not faults:
            return
        networks = {fault.network for fault in faults if fault.network}
        networks |= {self._networks[point] for points in self._points.values() for point in points}
        rules = [self._rule(fault) for fault in faults if fault.packets is not None]
        self._lab.relay({"networks": sorted(networks), "rules": rules})

    def _rule(self, fault: Fault) -> dict[str, Any]:
        return {
            "id": fault.id,
            "network": fault.network,
            "action": "cut" if fault.action == "stop" else fault.action,
            "packets": fault.packets,
            "nth": list(fault.nth),
            "seconds": fault.seconds,
            "points": list(self._points[fault.id]),
        }

    def before(self, step: str) -> list[str]:
        """Do what comes before a step; the nodes whose programs have to be killed now."""
        return self._do(fault for fault in self._exercise.faults if fault.before == step)

    def after(self, step: str) -> list[str]:
        """Do what comes after a step, likewise."""
        return self._do(fault for fault in self._exercise.faults if fault.after == step)

    def _do(self, faults: Iterator[Fault]) -> list[str]:
        stopping = []
        for fault in faults:
            points = list(self._points[fault.id])
            if fault.action in ("restore", "restart"):
                self._lab.relay({"restore": points})
            else:
                self._lab.relay({"cut": points, "seconds": fault.seconds})
            self._done[fault.id].append({"time": time.time_ns()})
            if fault.action == "stop":
                stopping.append(fault.target)
        return stopping

    def stopping(self) -> list[str]:
        """The nodes whose links were cut since this was last asked, because the frame that they waited for passed."""
        told = self._lab.relay({})["rules"]
        found = []
        for fault in self._exercise.faults:
            if fault.action == "stop" and fault.packets and fault.id not in self._stopped and told[fault.id]["struck"]:
                self._stopped.add(fault.id)
                found.append(fault.target)
        return found

    @property
    def idle(self) -> bool:
        """Whether no frame is on its way through the relay."""
        return not self.active or self._lab.relay({})["waiting"] == 0

    def finish(self) -> None:
        """Ask for what the relay did, and leave the lab without faults."""
        if not self.active:
            return
        try:
            self._report = self._lab.relay({})
            if self._exercise.faults:
                self._lab.relay({"rules": [], "restore": sorted({p for each in self._points.values() for p in each})})
        except NotMeasuredError as error:
            self._broken = error.problems[0].what

    def told(self, folder: Path) -> dict[str, Any]:
        """For the manifest: what carried the links and what became of frames there; each fault, and what it struck."""
        links = [{"network": name, "by": "relay", **each} for name, each in self._report.get("networks", {}).items()]
        return {"links": links, "faults": [self._fault(fault, folder) for fault in self._exercise.faults]}

    def _fault(self, fault: Fault, folder: Path) -> dict[str, Any]:
        rule: Mapping[str, Any] = self._report.get("rules", {}).get(fault.id, {"seen": 0, "struck": []})
        struck = [{**each, "frame": _frame(folder, each)} for each in rule["struck"]]
        return {
            "id": fault.id,
            "action": fault.action,
            "target": fault.target or fault.network,
            "moment": fault.moment,
            "seen": rule["seen"],
            "struck": [*self._done[fault.id], *struck],
        }

    def gaps(self) -> Iterator[Gap]:
        """What the relay lost that nobody had asked it to lose, or that it is gone."""
        if self._broken:
            yield Gap(self._broken, "", "lab")
        ports = [port for each in self._report.get("networks", {}).values() for port in each["ports"].values()]
        lost = self._report.get("dropped", 0) + sum(port["failed"] for port in ports)
        if lost:
            flooded = self._exercise.runs_submission and sum(port["frames"] for port in ports) >= _FLOOD
            yield Gap(f"the relay lost {lost} frames that came too fast", "", "submission" if flooded else "lab")


def _frame(folder: Path, struck: Mapping[str, Any]) -> int | None:
    """The number of a struck frame in its sender's capture: the last equal one that was captured before it struck."""
    try:
        with (folder / f"{struck['point'].replace(':', '.')}.pcap").open("rb") as stream:
            equal = [
                number
                for number, at, _, data, *_ in pcap.open_trace(stream, "")
                if at <= struck["time"] and hashlib.sha256(data).hexdigest() == struck["sha256"]
            ]
    except (OSError, LabError):  # it is not captured there
        return None
    return equal[-1] if equal else None

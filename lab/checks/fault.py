"""`fault`: a fault of the exercise struck the packets that it was meant for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.gaps import gaps, unusable
from lab.checks.names import count
from lab.checks.programs import idle, unfinished
from lab.evidence import Evidence
from lab.grammar import FaultId, param

_DONE = {
    "drop": "dropped",
    "duplicate": "sent twice",
    "hold": "held back",
    "cut": "cut off",
    "restore": "joined again",
    "stop": "stopped",
    "restart": "restarted",
}


@dataclass(frozen=True)
class FaultStruck(Check):
    """A fault struck all the packets that it was meant for, or came at its moment.

    A drop happens between the sender's capture and the receiver's: the frame is in the first and not in the second.
    Where the packets never came the program was not tried, so other checks should need this one.
    """

    kind: ClassVar[str] = "fault"
    claims: ClassVar[tuple[str, ...]] = ("C17", "C18")
    rule: ClassVar[str] = "the exercise's faults, as the relay that carries the network counted and struck frames"
    says: ClassVar[str] = "no such packet came"

    fault: str = param(FaultId(), "the fault")

    def judge(self, evidence: Evidence) -> Verdict:
        """Compare what was to be struck with what was."""
        fault = next((each for each in evidence.exercise.faults if each.id == self.fault), None)
        moment = fault.moment if fault else "its moment"
        expected = f"fault {self.fault} strikes: {moment}"
        nodes = list(dict.fromkeys(step.node for step in evidence.exercise.steps if step.node))
        if verdict := unusable(gaps(evidence, (), nodes), self.rule, expected):
            return verdict
        told = _told(evidence, self.fault)
        if fault is None or told is None:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, "the evidence does not say what the fault did")
        wanted = len(fault.nth) if fault.packets is not None else 1
        struck = told["struck"]
        frames = tuple(FrameRef(each["point"], each["frame"]) for each in struck if each.get("frame"))
        done = f"{told['target']} was {_DONE[fault.action]}"
        if fault.packets is not None:
            done = f"{count(len(struck), 'packet')} of {told['seen']} on {fault.network} struck"
            if fault.action in ("cut", "stop"):
                done = f"{told['target']} was {_DONE[fault.action]} when packet no. {fault.nth[0]} had passed"
            elif struck:
                done = f"{count(len(struck), 'packet')} of {told['seen']} on {fault.network} {_DONE[fault.action]}"
        if len(struck) >= wanted:
            return Verdict(Outcome.PASSED, self.rule, expected, done, frames)
        came = count(told["seen"], "such packet")
        seen = f"only {came} came on {fault.network}" if told["seen"] else "no such packet came"
        blame = idle(evidence, nodes)
        timed = blame.timed if blame else unfinished(evidence, nodes)
        cause = blame.cause if blame else Cause("not-tried", f"fault {self.fault} never struck: {seen}", moment)
        return Verdict(Outcome.FAILED, self.rule, expected, seen, frames, cause, timed)


def _told(evidence: Evidence, name: str) -> Mapping[str, Any] | None:
    """What the evidence says of a fault."""
    found: list[Mapping[str, Any]] = list(evidence.manifest.get("faults", ()))
    return next((each for each in found if each["id"] == name), None)

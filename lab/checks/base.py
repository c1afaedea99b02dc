"""What a check is, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    from lab.evidence import Evidence
    from lab.plan import Plan


class Outcome(StrEnum):
    """The three honest answers."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, order=True)
class FrameRef:
    """A frame of the evidence, written `client:eth0#4`."""

    point: str
    number: int

    def __str__(self) -> str:
        return f"{self.point}#{self.number}"


@dataclass(frozen=True)
class Cause:
    """Why something failed, in one sentence; checks that fail for an equal cause are told once.

    `kind` is a stable word for machines ("crashed", "refused", "wrong-route" …), `look_at` says where to look, and
    `lines` are the last that a program wrote to stderr, as they are.
    """

    kind: str
    text: str
    look_at: str = ""
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """What one check found: the rule by which it judged, and the frames that show it."""

    outcome: Outcome
    rule: str
    expected: str
    seen: str
    frames: tuple[FrameRef, ...] = ()
    cause: Cause | None = None
    timed: bool = False  # rests on a time limit, so a second run with nothing beside it has to confirm it


@dataclass(frozen=True)
class ProbeRequest:
    """A try that `lab` has to make for a check, after settling: from `node` to an address in text form."""

    node: str
    to: str
    protocol: Literal["icmp", "tcp", "udp"]
    port: int | None = None


@runtime_checkable
class Check(Protocol):
    """A frozen record of parameters and one pure function from evidence to verdict.

    `kind` is its name in an exercise, `claims` are the rows of the course that it can prove, `rule` is what it
    judges by (RFC and section), `says` is an example of what it says when it fails.
    """

    kind: ClassVar[str]
    claims: ClassVar[tuple[str, ...]]
    rule: ClassVar[str]
    says: ClassVar[str] = ""

    def probes(self, plan: Plan) -> tuple[ProbeRequest, ...]:
        """What has to be tried for it after settling; nothing for most checks."""
        return ()

    @property
    def handed_in(self) -> tuple[str, ...]:
        """The files of the submission that it reads, so that a run keeps them; none for most checks."""
        return ()

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge complete evidence; what is demanded and absent is a failure, never an exception."""
        ...

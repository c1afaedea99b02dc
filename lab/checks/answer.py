"""`answer`: what the student says about a connection, held against the trace of the run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lab.checks.base import Cause, Outcome, Verdict
from lab.checks.connections import Connection, find, points_of
from lab.checks.diagnose import Fault
from lab.checks.gaps import left_out
from lab.checks.names import listed
from lab.checks.question import QUESTIONS, understood
from lab.checks.tcp import Praise, TcpCheck
from lab.errors import LabError
from lab.evidence import Evidence
from lab.grammar import Choice, Context, FilePath, Refused, ScalarGrammar, Schema, Text, param
from lab.yaml.text import ListNode, MapNode, Scalar, parse_yaml, show

_LONGEST = 1 << 16  # bytes of a sheet that are read
_DUST = 1e-9  # what a binary fraction may differ from the decimal one that was written, in milliseconds


@dataclass(frozen=True)
class Tolerance:
    """How far off an answer may be: by so much, or by such a share of the right one."""

    amount: float
    share: bool = False

    def admits(self, given: float, right: float) -> bool:
        """Whether an answer is near enough."""
        return abs(given - right) <= (abs(right) * self.amount / 100 if self.share else self.amount) + _DUST

    def __str__(self) -> str:
        return f"{self.amount:g}{'%' if self.share else ''}"


class ToleranceGrammar(ScalarGrammar[Tolerance]):
    """A tolerance."""

    expected = "a tolerance such as 2, 0.5 or 10%"
    _form = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)(%?)"

    def parse(self, text: str, context: Context) -> Tolerance:
        """The tolerance; raises `Refused`."""
        found = re.fullmatch(self._form, text)
        if not found:
            raise Refused(f"{show(text)} is not {self.expected}")
        return Tolerance(float(found[1]), bool(found[2]))

    def plain_schema(self) -> Schema:
        """A number, or a share in per cent."""
        return {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": f"^{self._form}$"}]}


@dataclass(frozen=True)
class Answer(TcpCheck):
    """A key of the student's sheet says what the trace shows of a connection.

    The sheet is a YAML file among what is handed in (`client_isn: 573714597`), and the connection that of the same
    run. What differs from run to run (sequence numbers, ports, times) can only be asked of a run that the student has
    seen: `lab judge RUN --submission FOLDER` judges a kept run with the sheet in a folder. `round_trips` counts how
    often the client said something (SYN, bytes, FIN) and then the server did; `closes_first` is answered by client or
    server, or by the node's name; MACs are those of the SYN's frame. Whole numbers may be hexadecimal or
    have a unit (6 bytes), times are in ms or have one (0.42 s, 4.2e-04 s).
    """

    kind: ClassVar[str] = "answer"
    claims: ClassVar[tuple[str, ...]] = ("C2", "C4", "C7", "C8", "C9", "C11", "C12")
    rule: ClassVar[str] = "RFC 9293 §3.4.1, §3.5, §3.6: what the packets of the run show"
    says: ClassVar[str] = "client_isn: 7 is not what the trace shows"

    value: str = param(Choice(*QUESTIONS), "what is asked for")
    key: str | None = param(Text(longest=100), "the sheet's key; by default that of `value`", default=None)
    sheet: str = param(FilePath(), "the file that is handed in", default="answers.yaml")
    tolerance: Tolerance = param(ToleranceGrammar(), "how far off a number may be", default=Tolerance(0))

    @property
    def handed_in(self) -> tuple[str, ...]:
        """The file of the submission that a run has to keep for it."""
        return (self.sheet,)

    @property
    def _key(self) -> str:
        return self.key or self.value

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """Only numbers can be nearly right, and one of several connections must be meant."""
        if self.tolerance.amount and QUESTIONS[self.value].kind not in ("number", "milliseconds"):
            yield "tolerance", f"{self.value} is no number, so nothing is nearly right", "leave it out"
        if self.connection == "every":
            yield "connection", "a question is about one connection", "say first, or leave it out"

    def expectation(self) -> str:
        """What is demanded, in a sentence."""
        near = f" (± {self.tolerance})" if self.tolerance.amount else ""
        ends = f"{self.source} → {self.to} port {self.port}"
        return f"{self._key} in {self.sheet} is {self.value}{near} of the connection {ends}"

    def judge(self, evidence: Evidence) -> Verdict:
        """Read the sheet, then the trace: without an answer nothing of the trace can help."""
        given = self._given(evidence)
        if isinstance(given, Cause) and self.sheet in _handed_in(evidence) and self.sheet not in evidence.submission:
            seen = f"{self.sheet} was handed in, and the run did not keep it"
            return Verdict(Outcome.NOT_MEASURED, self.rule, self.expectation(), seen)
        if isinstance(given, Cause):
            return Verdict(Outcome.FAILED, self.rule, self.expectation(), given.text, cause=given)
        return super().judge(evidence)

    def needed(self, evidence: Evidence) -> str | None:
        """What the trace cannot tell for no fault of the student's: the exercise made it so, or looks elsewhere."""
        exercise = evidence.exercise
        found = find(evidence, self.source, self.to, self.port)
        question = QUESTIONS[self.value]
        at = {"client": self.source, "server": self.to}.get(question.at or "")
        seen_at = {view.node for connection in found.connections for view in connection.views}
        away = [point for point in points_of(evidence, at) if left_out(evidence, point)] if at else []
        if away and at not in seen_at:
            return f"the exercise does not capture {listed(away)}"
        if exercise.runs_submission or exercise.submission.routes or exercise.unverified:
            return None
        ends = f"from {self.source} to {self.to} port {self.port}"
        if not any(connection.established for connection in found.connections):
            return f"the exercise's own programs made no connection {ends}"
        chosen = self.chosen(found)
        if len(chosen) > 1:
            return f"the exercise's own programs made {len(chosen)} connections {ends}, and one is asked about"
        if len(chosen) == 1 and question.read(evidence, chosen[0]).value is None:
            return f"the connection of the exercise's own programs {ends} shows no {self.value}"
        return None

    def fault(self, evidence: Evidence, connection: Connection) -> Fault | None:
        """Whether the answer differs from what the trace shows."""
        truth = QUESTIONS[self.value].read(evidence, connection)
        given = self._given(evidence)
        assert not isinstance(given, Cause), "judged before"
        if truth.value is None:
            text = f"the connection shows no {self.value}"
            return Fault(text, Cause("no-packets", text, f"lab trace: how {self.source} and {self.to} talked"))
        if isinstance(given, str):
            names = {self.source.lower(): "client", self.to.lower(): "server"}
            right = names.get(given, given) == truth.value
        else:
            assert not isinstance(truth.value, str), "an answer is of its question's kind"
            right = self.tolerance.admits(given, truth.value)
        if right:
            return None
        text = f"{self._key}: {_written(given)} is not what the trace shows"
        return Fault(text, self._wrong(text), truth.frames[:5])

    def praise(self, evidence: Evidence, connections: Sequence[Connection]) -> Praise:
        """The answer, and the frames that show it."""
        truth = QUESTIONS[self.value].read(evidence, connections[0])
        return f"{self._key} is {_written(truth.value)}", truth.frames[:5]

    def _wrong(self, text: str) -> Cause:
        return Cause("wrong-answer", text, f"{self.value} in the trace (lab trace, lab frame)")

    def _given(self, evidence: Evidence) -> int | float | str | Cause:
        """What the sheet says, understood; or why it says nothing."""
        raw = evidence.submission.get(self.sheet)
        if raw is None:
            text = f"{self.sheet} was not handed in"
            return Cause("handed-in", text, "the files handed in")
        try:
            root, problems = parse_yaml(raw[:_LONGEST].decode("utf-8", "replace"), self.sheet)
        except LabError as error:
            look = f"{self.sheet}: each line is a key, a colon, a space and the answer"
            return Cause("handed-in", f"{self.sheet} cannot be read: {error.problems[0].what}", look)
        if problems:
            return Cause("handed-in", f"{self.sheet} cannot be read: {problems[0].what}", str(problems[0].where))
        found = root.get(self._key) if isinstance(root, MapNode) else None
        if isinstance(found, ListNode) and len(found.items) == 1:
            found = found.items[0]
        if isinstance(found, (ListNode, MapNode)) and len(found.items) > 1:
            return self._wrong(f"{self._key}: {len(found.items)} answers, where one is asked for")
        if not isinstance(found, Scalar) or found.missing:
            return self._wrong(f"{self.sheet} has no answer to {self._key}")
        kind = QUESTIONS[self.value].kind
        given = understood(kind, found.text)
        if given is None:
            return self._wrong(f"{self._key}: {show(found.text, 40)} is no {kind}")
        return given


def _handed_in(evidence: Evidence) -> Sequence[str]:
    """The names of all that was handed in, whether kept or not."""
    told = evidence.manifest.get("submission")
    files = told.get("files") if isinstance(told, Mapping) else None
    return files if isinstance(files, (list, tuple)) else ()


def _written(value: int | float | str | None) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

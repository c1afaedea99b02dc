"""`output`: how a step ended and what it printed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar

from lab.checks import causes
from lab.checks.base import Cause, Check, Outcome, Verdict
from lab.checks.gaps import gaps, unusable
from lab.checks.last_words import last_lines
from lab.checks.names import quoted
from lab.checks.programs import Blame, failure, trouble
from lab.evidence import Evidence, StepResult
from lab.grammar import Bool, Choice, Int, Pattern, Payload, StepName, param

_OWN = ("crashed", "over-limit", "wrong-output")  # what is a program's own fault, where it is the student's


@dataclass(frozen=True)
class Output(Check):
    """A step ended by itself with an exit code, and printed what is demanded.

    Where nothing is said about the exit code and nothing about the text, the exit code must be 0. Ends of lines, and
    of the text, do not matter unless `exact`.
    """

    kind: ClassVar[str] = "output"
    claims: ClassVar[tuple[str, ...]] = ("C15", "C20")
    rule: ClassVar[str] = "POSIX, exit status and standard streams"
    says: ClassVar[str] = 'line 2 is "x", not "b"'

    step: str = param(StepName(), "the step whose program is judged")
    exit: int | None = param(Int(0, 255), "its exit code", default=None)
    stream: str = param(
        Choice("stdout", "stderr", "either"), "which of its outputs the text is looked for in", default="stdout"
    )
    text: bytes | None = param(Payload(), "all that it prints", default=None)
    contains: bytes | None = param(Payload(), "what must be somewhere in it", default=None)
    pattern: str | None = param(Pattern(), "a regular expression that must be found in it", default=None)
    exact: bool = param(Bool(), "whether the ends of lines matter", default=False)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """An expression that matches nothing at all passes on anything."""
        if self.contains is not None and not (self.contains if self.exact else _plain(self.contains)):
            nothing = "ends of lines, which do not matter" if self.contains else "the empty text"
            yield "contains", f"every output contains {nothing}", "say what must be in it"
        if self.pattern is not None and any(re.search(self.pattern, each) for each in self._ways("")):
            yield "pattern", "this expression is found in every output, in an empty one too", "say what must be in it"

    def judge(self, evidence: Evidence) -> Verdict:
        """Judge the step's end and its output."""
        expected = self._expectation()
        if verdict := unusable(gaps(evidence, [], steps=[self.step]), self.rule, expected):
            return verdict
        result = evidence.steps.get(self.step)
        if result is None:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"nothing is known of step {self.step}")
        if result.ended == "not started":
            cause = causes.not_started(result)
            return Verdict(Outcome.FAILED, self.rule, expected, cause.text, (), cause)
        verdict = self._end(evidence, expected, result) or self._output(evidence, expected, result)
        if verdict.cause and verdict.cause.kind in _OWN and not self._is_submitted(evidence):
            return replace(verdict, cause=causes.other_program(self.step, verdict.seen))
        return verdict

    def _is_submitted(self, evidence: Evidence) -> bool:
        """Whether the step's program is the student's, or nobody's in an exercise that asks for no program."""
        steps = evidence.exercise.steps
        mine = next((step.code for step in steps if step.name == self.step), None)
        return mine == "submission" or not evidence.exercise.runs_submission

    def _expectation(self) -> str:
        parts = []
        if self._exit_code is not None:
            parts.append(f"ends with exit code {self._exit_code}")
        if self.text is not None:
            parts.append(f"prints {quoted(self.text)}" + (" exactly" if self.exact else ""))
        if self.contains is not None:
            parts.append(f"prints {quoted(self.contains)} somewhere")
        if self.pattern is not None:
            parts.append(f"prints something that matches {quoted(self.pattern.encode())}")
        where = {"stderr": " (on stderr)", "either": " (on stdout or stderr)"}.get(self.stream, "")
        return f"{self.step} {' and '.join(parts)}{where}"

    @property
    def _exit_code(self) -> int | None:
        silent = self.text is None and self.contains is None and self.pattern is None
        return 0 if self.exit is None and silent else self.exit

    def _failed(self, expected: str, result: StepResult, seen: str, cause: Cause | None = None) -> Verdict:
        cause = cause or causes.wrong_output(self.step, seen)
        timed = result.ended in ("timed out", "killed")  # with more time it might have ended well
        return Verdict(Outcome.FAILED, self.rule, expected, seen, (), cause, timed)

    def _end(self, evidence: Evidence, expected: str, result: StepResult) -> Verdict | None:
        wanted = self._exit_code
        if wanted is None:
            return None
        if result.ended == "timed out":
            return self._failed(expected, result, "it was still running at its time limit", causes.timed_out(result))
        if result.ended == "over limit":
            cause = causes.over_limit(result)
            return self._failed(expected, result, f"it had {result.message} and was ended", cause)
        if result.ended != "exited":
            cause = causes.wrong_exit(self.step, "did not end by itself: lab ended it")
            return self._failed(expected, result, "it did not end by itself: lab ended it", cause)
        if result.exit_code != wanted:
            crash = bool(result.signal or result.exit_code)
            how = f"signal {result.signal}" if result.signal else f"exit code {result.exit_code}"
            last = " / ".join(last_lines(result.stderr))
            seen = f"it ended with {how}" + (f"; its last words on stderr: {last}" if last and crash else "")
            cause = causes.crashed(result) if crash else causes.wrong_exit(self.step, f"ended with {how}")
            return self._failed(expected, result, seen, cause)
        return None

    def _output(self, evidence: Evidence, expected: str, result: StepResult) -> Verdict:
        outputs = {"stdout": (result.stdout, result.stdout_lost), "stderr": (result.stderr, result.stderr_lost)}
        found = {name: self._mismatch(self._read(raw), lost) for name, (raw, lost) in outputs.items()}
        asked = tuple(outputs) if self.stream == "either" else (self.stream,)
        right = next((name for name in asked if found[name] is None), None)
        if right is not None:
            code = f"exit code {result.exit_code}, " if self._exit_code is not None else ""
            return Verdict(Outcome.PASSED, self.rule, expected, f"{code}{right} is {quoted(outputs[right][0])}")
        chosen = next((name for name in asked if outputs[name][0]), asked[0])
        raw, lost = outputs[chosen]
        problem = found[chosen] or ""
        other = next((name for name in outputs if outputs[name][0] and name not in asked and found[name] is None), None)
        if other is not None:
            problem += f": that came on {other}"
        if lost:
            seen = f"{problem}; it printed {lost} bytes more than are kept"
            return self._failed(expected, result, seen, causes.flooded(f"{self.step} printed more than is kept"))
        silent = not (result.stdout if self.stream == "either" else raw)  # a traceback on stderr is no words of its own
        blame = trouble(evidence, [result.node], submitted=None) if silent else None
        if blame is None and self._begun(self._read(raw)) and (crash := failure(evidence, result)):
            blame = Blame(crash)
        if result.ended == "timed out" and blame is None:
            return self._failed(expected, result, problem, causes.timed_out(result))
        return self._failed(expected, result, problem, blame.cause if blame else None)

    def _mismatch(self, got: bytes, lost: int) -> str | None:
        """How the output differs from what is demanded, None if it does not."""
        if self.text is not None:
            wanted = self.text if self.exact else _plain(self.text)
            if got != wanted or lost:
                return first_difference(wanted, got)
        if self.contains is not None and (self.contains if self.exact else _plain(self.contains)) not in got:
            return f"{quoted(self.contains)} is not in {quoted(got)}"
        if self.pattern is not None:
            ways = self._ways(got.decode("utf-8", "replace"))
            if not any(re.search(self.pattern, each, re.MULTILINE) for each in ways):
                return f"{quoted(self.pattern.encode())} matches nothing in {quoted(got)}"
        return None

    def _read(self, text: bytes) -> bytes:
        return text if self.exact else _plain(text)

    def _begun(self, got: bytes) -> bool:
        """Whether it printed the beginning of what is demanded, and might have printed the rest as well."""
        wanted = self._read(self.text or b"")
        return len(got) < len(wanted) and wanted.startswith(got)

    def _ways(self, text: str) -> tuple[str, ...]:
        """A text as an expression may want it: where that names an end of a line, with that of the last one too."""
        named = not self.exact and re.search(r"\n|\\[ns]", self.pattern or "")
        return (text, f"{text}\n") if named else (text,)


def _plain(text: bytes) -> bytes:
    """A text whose lines end in one way, and which does not end in empty lines."""
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n")


def first_difference(wanted: bytes, got: bytes) -> str:
    """The first line that differs, both ways, control characters made visible."""
    if not got:
        return "it printed nothing"
    ours, theirs = wanted.split(b"\n"), got.split(b"\n")
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False), 1):
        if a != b:
            return f"line {number} is {quoted(b)}, not {quoted(a)}"
    if len(theirs) < len(ours):
        return f"it ends after line {len(theirs)}; line {len(theirs) + 1} should be {quoted(ours[len(theirs)])}"
    if len(theirs) > len(ours):
        return f"line {len(ours) + 1} is one too many: {quoted(theirs[len(ours)])}"
    return "it goes on after that"

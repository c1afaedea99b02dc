"""`python`: a function of the teacher's own, in a file beside the exercise."""

from __future__ import annotations

import contextlib
import keyword
import pickle
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from lab.checks.base import Cause, Check, FrameRef, Outcome, Verdict
from lab.checks.gaps import gaps, unusable
from lab.checks.names import listed
from lab.checks.programs import idle
from lab.evidence import Evidence
from lab.grammar import Context, Duration, FilePath, List, Point, Refused, ScalarGrammar, Schema, Text, param
from lab.pool import carry_out

_GIVES = "True or False and a sentence, and FrameRefs if there are any: return False, \"no DNS query\", []"
_TIMEOUT = 20.0  # seconds; the largest run that is annotated unasked is decoded in 2


@dataclass(frozen=True)
class Source:
    """A file of Python beside the exercise, and its text."""

    name: str
    text: str = ""

    def __str__(self) -> str:
        return self.name


class SourceFile(ScalarGrammar[Source]):
    """A file of Python, read when the exercise is, so that a run keeps it."""

    expected = "a file of Python beside this file"
    sample = "own_check.py"
    _path = FilePath(expected)

    def parse(self, text: str, context: Context) -> Source:
        """The file; raises `Refused` where it is missing or cannot be compiled."""
        name = self._path.parse(text, context)
        if context.read is None:
            return Source(name)
        try:
            source = context.read(name).decode("utf-8")
            compile(source, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            raise Refused(f"{name} is no Python: {error}") from None
        return Source(name, source)

    def plain_schema(self) -> Schema:
        """As of any file."""
        return self._path.plain_schema()


@dataclass(frozen=True)
class Python(Check):
    """A function of the teacher's judges the evidence: `def check(evidence): return True, "two queries"`.

    It gets `lab.evidence.Evidence` (captures with decoded packets, steps, states, plan, exercise and its values) and
    returns True or False and a sentence, and if it likes a list of FrameRef(point, number); None for True or False is
    "not measured", and a whole `Verdict` is taken as it is. An error in it is never the student's failure: the check
    is then not measured, and the error is told with its line; so it is where the function takes longer than `timeout`.
    It is asked only of evidence without a gap, in a process of its own, and what it leaves running ends with its
    answer. It runs with the teacher's own rights, so a kept run brings its function to life only with `lab judge
    --trust-code`.
    """

    kind: ClassVar[str] = "python"
    claims: ClassVar[tuple[str, ...]] = ("C1", "C22")
    rule: ClassVar[str] = "the teacher's own function"
    says: ClassVar[str] = "no DNS query"

    file: Source = param(SourceFile(), "the file with the function")
    function: str = param(Text("a function's name", pattern="[A-Za-z_][A-Za-z0-9_]{0,63}"), "its name", default="check")
    at: tuple[str, ...] = param(
        List(Point(), single=True), "the capture points that it needs whole; all by default", default=()
    )
    expects: str = param(Text(longest=500), "what it demands, in a sentence", default="")
    timeout: float = param(Duration(), "how long it may take, 20s by default", default=_TIMEOUT)

    def problems(self) -> Iterable[tuple[str, str, str]]:
        """The function has a name that a function can have."""
        if keyword.iskeyword(self.function):
            yield "function", f"{self.function} is a word of Python's", "give the function another name"

    def judge(self, evidence: Evidence) -> Verdict:
        """Ask the function."""
        expected = self.expects or f"{self.function} in {self.file} is content"
        nodes = [node.name for node in evidence.plan.nodes]
        points = self.at or tuple(evidence.exercise.capture or evidence.plan.points)
        if verdict := unusable(gaps(evidence, points, nodes), self.rule, expected):
            return verdict
        if not evidence.own:
            seen = f"{self.file} comes with the run and was not run: lab judge --trust-code does, if you know it"
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen)
        answers: list[Verdict] = []
        asked = _Asked(self, evidence, expected)
        carry_out([asked], 1, lambda _: None, lambda _, verdict: answers.append(verdict), apart=True)
        return answers[0]

    def ask(self, evidence: Evidence, expected: str) -> Verdict:
        """Call the function and take what it gives; it may never return."""
        try:
            with contextlib.redirect_stdout(sys.stderr):
                given = self._loaded()(evidence)
            verdict = self._verdict(evidence, expected, given)
            pickle.dumps(verdict)  # a whole verdict may hold anything
            return verdict
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, f"the exercise's own {_told(error, self.file)}")

    def _loaded(self) -> Callable[[Evidence], Any]:
        names: dict[str, Any] = {"__name__": self.file.name.removesuffix(".py"), "__file__": self.file.name}
        exec(compile(self.file.text, self.file.name, "exec", dont_inherit=True), names)
        found = names.get(self.function)
        if not callable(found):
            known = [name for name, value in names.items() if callable(value) and not name.startswith("_")]
            raise NameError(f"{self.file} has no function {self.function}; it has {listed(known)}")
        return found  # type: ignore[no-any-return]

    def _verdict(self, evidence: Evidence, expected: str, given: Any) -> Verdict:
        """What it gave, as a verdict; raises TypeError for what is none."""
        if isinstance(given, Verdict):
            if not isinstance(given.outcome, Outcome):
                raise TypeError(f"{self.function}() returned a Verdict whose outcome is {str(given.outcome)[:60]!r}, "
                                "where it has to be one of Outcome")  # fmt: skip
            texts = all(isinstance(each, str) for each in (given.rule, given.expected, given.seen))
            if not texts or not all(isinstance(each, FrameRef) for each in given.frames):
                raise TypeError(f"{self.function}() returned a Verdict whose rule, expected and seen are no texts, or "
                                "whose frames are no FrameRefs")  # fmt: skip
            return given
        outcome, seen, *rest = given if isinstance(given, (tuple, list)) else (given, "")
        frames = tuple(rest[0]) if rest else ()
        right = len(rest) < 2 and isinstance(seen, str) and all(isinstance(each, FrameRef) for each in frames)
        if not right or not (outcome is None or isinstance(outcome, bool)):
            raise TypeError(f"{self.function}() returned {str(given)[:60]!r}, where it has to give {_GIVES}")
        if outcome is None:
            return Verdict(Outcome.NOT_MEASURED, self.rule, expected, seen or "it says that it cannot tell", frames)
        if outcome:
            return Verdict(Outcome.PASSED, self.rule, expected, seen or "it is content", frames)
        seen = seen or "it is not content"
        nodes = list(dict.fromkeys(step.node for step in evidence.exercise.steps if step.node))
        blame = idle(evidence, nodes)
        cause = blame.cause if blame else Cause("own-check", seen, expected)
        return Verdict(Outcome.FAILED, self.rule, expected, seen, frames, cause, bool(blame and blame.timed))


@dataclass(frozen=True)
class _Asked:
    """The function at work, in a process of its own: what it is shown was made by a stranger, and may trap it."""

    check: Python
    evidence: Evidence
    expected: str

    @property
    def limit(self) -> float:
        """The seconds that it may take."""
        return self.check.timeout

    def carry_out(self) -> Verdict:
        """Ask it."""
        return self.check.ask(self.evidence, self.expected)

    def lost(self, why: str) -> Verdict:
        """It never answered."""
        check = self.check
        seen = (
            f"the exercise's own {check.function}() in {check.file} gave no answer: {why}, and it may take "
            f"{check.timeout:g} s; look for what never ends on this evidence, or give the check a longer timeout"
        )
        return Verdict(Outcome.NOT_MEASURED, check.rule, self.expected, seen)


def _told(error: BaseException, file: Source) -> str:
    """An error of the function's, with the last line of its own file that it passed."""
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file.name]
    where = f"{file}, line {lines[-1]}" if lines else str(file)
    return f"check went wrong: {type(error).__name__}: {error} ({where})"

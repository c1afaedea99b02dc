"""What goes wrong, told to a person: what, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PASSED = 0
FAILED = 1
USER_ERROR = 2
NOT_MEASURED = 3


@dataclass(frozen=True, order=True)
class Place:
    """A place in a text file; line and column count from 1, 0 means the file as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it is, and what would be right."""

    what: str
    where: Place | str = ""
    hint: str = ""

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if str(self.where) else self.what
        return f"{text}\n  {self.hint}" if self.hint else text


class LabError(Exception):
    """An expected failure: `cli` prints its problems once and exits with `exit_code`."""

    exit_code = USER_ERROR

    def __init__(self, what: str | Sequence[Problem], where: Place | str = "", hint: str = "") -> None:
        self.problems = (Problem(what, where, hint),) if isinstance(what, str) else tuple(what)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class NotMeasuredError(LabError):
    """The machine, the capture or a limit of ours stood in the way; nobody's file is wrong."""

    exit_code = NOT_MEASURED


class InterruptedRunError(LabError):
    """A run was ended from outside, by Ctrl-C or SIGTERM."""

    exit_code = 130


def raise_problems(problems: list[Problem]) -> None:
    """Raise all problems of a file, if there are any."""
    if problems:
        raise LabError(in_order(problems))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Problems in the order of their places, each once."""

    def key(problem: Problem) -> tuple[Place, str]:
        return (problem.where if isinstance(problem.where, Place) else Place(problem.where)), problem.what

    return tuple(sorted(dict.fromkeys(problems), key=key))

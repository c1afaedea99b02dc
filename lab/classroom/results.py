"""What became of each student, kept one small file each: whole or not at all, whatever ends us."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lab.gather.rundir import MANIFEST
from lab.wholefile import write_whole

FORMAT = 3
STUDENTS = "students"
RESULT = "result.json"
_SCRATCH = re.compile(r"\.(result|grades|likeness)\.(json|csv)\.[0-9a-f]{8}")  # by `write_whole`, and not whole yet
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")  # as `RunDirectory` calls one
State = Literal["graded", "timed", "not measured", "differs", "refused"]


@dataclass(frozen=True)
class Row:
    """A student's result in brief, all that is held in memory of it.

    "graded" is final. "timed" has still to be confirmed by a run with nothing beside it. The others hold the grade
    back: "not measured", "differs" (its runs do not agree), "refused" (it cannot be told what was handed in).
    """

    key: str
    student: str
    name: str
    state: State
    points: float = 0
    of: float = 0
    passed: bool = False
    why: str = ""

    @property
    def final(self) -> bool:
        """Whether it is a grade."""
        return self.state == "graded"


def row_of(told: dict[str, Any]) -> Row:
    """The brief form of a kept result."""
    grade = told.get("grade") or {"points": 0, "of": 0}
    return Row(
        told["key"], told["student"], told["name"], told["state"], grade["points"], grade["of"],
        told.get("verdict") == "passed", told.get("why") or "",
    )  # fmt: skip


class Results:
    """The results of a batch below its folder: `students/KEY/result.json`, and the student's runs beside it."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def folder(self, key: str) -> Path:
        """Where a student's result and runs are."""
        return self.out / STUDENTS / key

    def keep(self, told: dict[str, Any]) -> None:
        """Put a result in place of an earlier one."""
        write_whole(self.folder(told["key"]) / RESULT, json.dumps(told, indent=1, ensure_ascii=False) + "\n")

    def read(self, key: str) -> dict[str, Any] | None:
        """A kept result; None where there is none, or none that can be read."""
        try:
            told = json.loads((self.folder(key) / RESULT).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        ours = isinstance(told, dict) and told.get("format") == FORMAT and told.get("key") == key
        return told if ours else None

    def sweep(self) -> None:
        """Remove what a `lab` that was killed in this folder left half done; only for who holds it."""
        students = self.out / STUDENTS
        for path in (*self.out.glob(".*"), *students.glob("*/.*")):
            if _SCRATCH.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)
        for run in students.glob("*/*/*/"):
            if _RUN.fullmatch(run.name) and not run.is_symlink() and not (run / MANIFEST).exists():
                shutil.rmtree(run, ignore_errors=True)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Every kept result, by key."""
        for path in sorted((self.out / STUDENTS).glob(f"*/{RESULT}")):
            if (told := self.read(path.parent.name)) is not None:
                yield told

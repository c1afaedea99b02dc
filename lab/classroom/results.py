"""What became of each student, kept one small file each: whole or not at all, whatever ends us."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from lab.errors import LabError, NotMeasuredError
from lab.gather.rundir import MANIFEST

FORMAT = 3
STUDENTS = "students"
RESULT = "result.json"
_SCRATCH = re.compile(r"\.(result|grades|likeness)\.(json|csv)\.[0-9a-f]{8}")  # by `write_whole`, and not whole yet
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")  # as `RunDirectory` calls one
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
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


def write_whole(path: Path, text: str | Iterable[str]) -> None:
    """Write a file, given whole or in pieces, that is there as a whole or not at all, even after a power loss.

    Raises `LabError` where it cannot be written there, `NotMeasuredError` where there is no room.
    """
    pieces = [text] if isinstance(text, str) else text
    with whole(path) as file:
        file.writelines(piece.encode(errors="backslashreplace") for piece in pieces)


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A new file to write to, which takes the place of `path` once it is whole; see `write_whole`."""
    try:
        if path.exists() and not path.is_file():  # root's `-o /dev/null` would make a file of that
            kind = "folder" if path.is_dir() else "device or a pipe"
            raise LabError(f"this is a {kind}, where a file is expected", str(path))
        scratch = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(scratch, flags, 0o644)
        try:
            with open(fd, "w+b") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        if hasattr(os, "O_DIRECTORY"):  # Windows opens no folder
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        if error.errno in _FULL:
            raise NotMeasuredError(what, str(path), "make room there; the same command again does the rest") from None
        raise LabError(what, str(path)) from None

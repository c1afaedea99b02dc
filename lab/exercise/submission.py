"""What a student handed in, read with suspicion: only files that the exercise names, never through a link."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.exercise.model import Exercise

_FILE_LIMIT = 8 << 20  # bytes
_TOTAL_LIMIT = 32 << 20
_ENTRIES = 10_000  # of the folder that are looked at


@dataclass(frozen=True)
class HandedIn:
    """The files that count, by the names that the exercise uses; what is missing or odd is said, not raised."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str = ""

    @property
    def lacking(self) -> str:
        """Why its programs cannot be run, what is behind it first; empty where nothing is missing."""
        if self.files and not self.missing:
            return ""
        return "; ".join(self.problems) or "nothing was handed in"

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents."""
        hashed = hashlib.sha256()
        for name, content in sorted(self.files.items()):
            hashed.update(f"{name}\0{len(content)}\0".encode() + content)
        return hashed.hexdigest()


def read_submission(exercise: Exercise, folder: Path) -> HandedIn:
    """Read a hand-in from a folder; its files may lie one folder deeper. Raises LabError where there is no folder."""
    if not folder.is_dir():
        raise LabError(f"{folder} is no folder", hint="--submission takes the folder with the student's files")
    names = list(plain_files(folder))
    return pick(exercise, names, lambda name: read_plain(folder, name), str(folder))


def pick(exercise: Exercise, names: Sequence[str], read: Callable[[str], bytes | None], folder: str = "") -> HandedIn:
    """What counts of files that were handed in, by their paths; `read` gives None for what is no plain file."""
    asked = exercise.submission
    wanted = (*asked.files, asked.routes) if asked.routes else asked.files
    above, notes = "", []
    found = _look(names, wanted, exercise)
    if not found:
        inside: dict[str, list[str]] = {}
        for name in names:
            first, _, rest = name.partition("/")
            if rest:
                inside.setdefault(first, []).append(rest)
        candidates = [(each, _look(rest, wanted, exercise)) for each, rest in sorted(inside.items())]
        candidates = [(each, fitting) for each, fitting in candidates if fitting]
        if len(candidates) == 1:
            above, found = candidates[0]
            notes.append(f"the files were found one folder deeper, in {above}/")
            folder, above = (str(Path(folder) / above) if folder else above), f"{above}/"
    files: dict[str, bytes] = {}
    problems: list[str] = []
    for name in found:
        content = read(above + name)
        if content is None:
            problems.append(f"{name} is not a plain file")
        elif len(content) > _FILE_LIMIT or sum(map(len, files.values())) + len(content) > _TOTAL_LIMIT:
            problems.append(f"{name} is too large")
        else:
            files[name] = content
    missing = tuple(name for name in wanted if not any(sign in name for sign in "*?[") and name not in files)
    told = [name for name in missing if not any(name in said for said in problems)]
    others = [each for each in names if each not in found and each not in exercise.files]
    problems += [f"{name} was not handed in{instead(name, others, 'was')}" for name in told]
    return HandedIn(files, missing, tuple(problems), tuple(notes), folder)


def instead(name: str, others: Iterable[str], verb: str) -> str:
    """What was handed in that may be meant, behind a word that a file is missing: `server (1).py`, `Server.py`."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    alike = [each for each in others if dot and each.lower().endswith(f".{suffix.lower()}")]
    near = [each for each in alike if _plain(stem) == _plain(each.rpartition("/")[2].rpartition(".")[0])]
    near = near or (alike if len(alike) == 1 else [])
    said = ", ".join(sorted(near)[:3])
    return f", but {said} {verb}, and only the name that is asked for counts" if near else ""


def _plain(stem: str) -> str:
    """A name without what browsers and people add to that of a copy."""
    return re.sub(r"[ _-]*(\(\d+\)|copy|kopie|\d+)$", "", stem.casefold()).strip(" _-")


def _look(names: Iterable[str], wanted: tuple[str, ...], exercise: Exercise) -> list[str]:
    """Names that the exercise asks for; the teacher's own files, as in a handout, are none of them."""
    return sorted(
        name
        for name in names
        if name in wanted or (name not in exercise.files and any(fits(name, pattern) for pattern in wanted))
    )


def fits(name: str, pattern: str) -> bool:
    """Whether a path fits a pattern, folder by folder: `*.c` means the files of one folder."""
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def _counts(folder: str) -> bool:
    """Whether a folder can hold what was handed in; archives made on a Mac have a shadow of every file."""
    return not folder.startswith(".") and folder != "__MACOSX"


def plain_files(folder: Path, closed: Callable[[OSError], object] | None = None) -> Iterator[str]:
    """The paths of what lies in a folder and is none, links too; hidden folders are left out.

    `closed` is told of folders that cannot be read.
    """
    seen = 0
    for current, folders, files in os.walk(folder, onerror=closed):
        folders[:] = sorted(filter(_counts, folders))
        for name in files:
            seen += 1
            if seen > _ENTRIES:
                return
            yield str((Path(current) / name).relative_to(folder).as_posix())


def read_plain(folder: Path, name: str) -> bytes | None:
    """A plain file's content; None for a link, a device or a pipe, at any level of its path."""
    path = folder
    for part in Path(name).parts:
        path = path / part
        if path.is_symlink():
            return None
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return None
    with open(fd, "rb") as file:
        return file.read(_FILE_LIMIT + 1) if stat.S_ISREG(os.fstat(fd).st_mode) else None

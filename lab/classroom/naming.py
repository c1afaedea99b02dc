"""How learning management systems name what they let teachers download; pure.

Moodle: `mod/assign/locallib.php` (download_submissions), the number is the participant's. Canvas:
`lib/submission... content_zipper.rb`, `name[_LATE]_user_submission_file`. Gradescope: `submission_metadata.yml`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_MOODLE = re.compile(r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<plugin>file|onlinetext)(?:_(?P<file>.*))?")
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_(?:question_\d+_)?(?P<sub>\d+)_(?P<file>.+)")
_CANVAS_GROUP = re.compile(r"(?P<name>.+?)_(?P<late>LATE_)?(?P<id>\d+)_(?P<sub>\d+)_(?P<file>.+)")
_VERSION = re.compile(r"(?P<stem>.+)-(?P<number>\d{1,3})(?P<suffix>\.[^.]*)?")
_DOUBLE = (".tar.gz", ".tar.xz", ".tar.bz2")
ARCHIVES = (".zip", ".tar", ".tgz", ".txz", ".tbz2", *_DOUBLE)
_CLOSED = (".rar", ".7z", ".zst", ".lz", ".lzh", ".z")  # archives too, for which Python brings nothing


@dataclass(frozen=True)
class Named:
    """What an LMS's name of a file or folder says: whose it is, what the file was called, whether it came late."""

    lms: str
    student: str
    name: str
    file: str  # empty for a folder
    late: bool = False


def parse(name: str) -> Named | None:
    """What the name of a file or folder says, where it is an LMS's."""
    if found := _MOODLE.fullmatch(name):
        return Named("moodle", found["id"], found["name"], found["file"] or "")
    if found := _CANVAS.fullmatch(name) or _CANVAS_GROUP.fullmatch(name):
        return Named("canvas", found["id"], found["name"], found["file"], found["late"] is not None)
    return None


def stem(name: str) -> str:
    """A file's name without the suffix of an archive or a program."""
    lower = name.lower()
    for suffix in _DOUBLE:
        if lower.endswith(suffix):
            return name[: -len(suffix)]
    return name.rpartition(".")[0] or name


def is_archive(name: str) -> bool:
    """Whether it is called as archives are that can be taken in."""
    return name.lower().endswith(ARCHIVES)


def is_closed(name: str) -> bool:
    """Whether it is called as archives are that cannot be opened."""
    return name.lower().endswith(_CLOSED)


def unversioned(name: str) -> tuple[str, int]:
    """A name without the `-2` that Canvas adds to the second file of that name, and that number (0 without one)."""
    found = _VERSION.fullmatch(name)
    return (found["stem"] + (found["suffix"] or ""), int(found["number"])) if found else (name, 0)


def original_names(files: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """By what the exercise asks for, the file that was renamed by an LMS: the latest of `server-1.py`, `server-2.py`.

    Only for what is not there under its own name.
    """
    files, found = list(files), {}
    for name in wanted:
        versions = [(*unversioned(each), each) for each in files]
        renamed = [(number, each) for plain, number, each in versions if number and plain == name]
        if renamed and name not in files:
            found[name] = max(renamed)[1]
    return found


def composed(name: str) -> str:
    """A person's name in the one of Unicode's forms (NFC) in which it is compared: macOS unpacks files into another."""
    return unicodedata.normalize("NFC", name)


def key(student: str, taken: Iterable[str]) -> str:
    """A folder's name for a student: plain letters, and none that is taken, whatever the case of letters."""
    plain = unicodedata.normalize("NFKD", student).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9@._+-]+", "_", plain).strip("._") or "student"
    plain = plain[:80]
    used = {each.casefold() for each in taken}
    name, number = plain, 2
    while name.casefold() in used:
        name, number = f"{plain}~{number}", number + 1
    return name

"""What a program's stderr tells of its end: the exception of a Python traceback, or a limit that it ran into. Pure.

A program may write what it likes, so its own words are told as such; only an exception that stands where Python puts it
is told without quotation marks.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PLACE = re.compile(r'File "([^"]+)", line (\d+)')
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(: .*)?")
_FORK = re.compile(r"fork|Popen|Process\(|\.start\(\)")  # in the lines of a traceback that lead to the exception
_ENOUGH = 400  # lines from the end; a traceback has fewer
LONGEST = 200  # characters of a line that a program wrote

# What is said where a limit of the sandbox is reached: by Python, by a shell, by perror(), by C++ and Java.
_LIMITS = (
    ("memory", re.compile(r"\bMemoryError\b|Cannot allocate memory|std::bad_alloc|OutOfMemoryError")),
    ("processes and threads", re.compile(r"can't start new thread|fork: .*Resource temporarily unavailable")),
    ("open files and sockets", re.compile(r"Too many open files")),
    ("the size of a file", re.compile(r"File too large")),
    ("what files may hold together", re.compile(r"No space left on device")),
)
_SIGNALS = {"SIGXCPU": "processor time", "SIGXFSZ": "the size of a file"}


def last_lines(output: bytes, lines: int = 3) -> tuple[str, ...]:
    """The last lines of an output that say something, as text; what they hold is not made safe for a terminal."""
    return tuple(line.rstrip() for line in output.decode("utf-8", "replace").splitlines() if line.strip())[-lines:]


def own_place(lines: Sequence[str]) -> tuple[int, str]:
    """The last place in a program's own code that its Python traceback names: the line that does so, and what it says.

    -1 and nothing where there is none.
    """
    for index in range(len(lines) - 1, -1, -1):
        found = _PLACE.search(lines[index])
        if found and "/lib" not in found[1] and not found[1].startswith("<"):
            return index, f"{found[1].rpartition('/')[2]}, line {found[2]}"
    return -1, ""


def exception(stderr: bytes) -> str:
    """The exception of the last Python traceback, as Python writes it; "" where there is none."""
    return _traceback(stderr)[1]


def limit(stderr: bytes, signal: str | None = None) -> tuple[str, str]:
    """The limit that a program ran into, and its words for that; both "" where nothing tells of one."""
    if signal in _SIGNALS:
        return _SIGNALS[signal], ""
    way, error = _traceback(stderr)
    if error.startswith("BlockingIOError: [Errno 11]"):  # also what a socket says that does not want to wait
        return (_LIMITS[1][0], error) if any(_FORK.search(line) for line in way) else ("", "")
    for line in (error,) if error else reversed(last_lines(stderr)):
        for what, words in _LIMITS:
            if words.search(line[:LONGEST]):  # a program may write a line of a megabyte
                return what, line[:LONGEST]
    return "", ""


def _traceback(stderr: bytes) -> tuple[Sequence[str], str]:
    """The lines of the last traceback, and the exception below them."""
    lines = last_lines(stderr, _ENOUGH)
    begin = max((index for index, line in enumerate(lines) if line == _TRACEBACK), default=None)
    if begin is None:
        return (), ""
    end = next((index for index in range(begin + 1, len(lines)) if not lines[index].startswith(" ")), len(lines))
    said = lines[end] if end < len(lines) and end > begin + 1 else ""
    return lines[begin + 1 : end], said[:LONGEST] if _EXCEPTION.fullmatch(said) else ""

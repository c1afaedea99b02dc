"""What a person sees: styled lines on a terminal, plain ones everywhere else."""

from __future__ import annotations

import codecs
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from lab.errors import LabError

# The names of styles that reports and ladders use, each with its ANSI code.
_STYLES = {
    "title": "1",
    "grade": "1",
    "header": "1",
    "dim": "2",
    "note": "2",
    "frame": "2",
    "arp": "2",
    "passed": "32",
    "failed": "31",
    "bad": "31",
    "not-measured": "33",
    "cause": "1;31",
    "look": "36",
    "syn": "32",
    "data": "36",
    "fin": "35",
    "reset": "31",
    "problem": "31",
}

# What stands for a sign where the terminal's encoding lacks it; "?" would read as "not measured".
_PLAIN = dict(zip("✓✗→←↔▶◀│─–·×µ", "+x><-><|--.xu", strict=True)) | {"…": "...", "§": "s.", "±": "+-"}
_PLAINLY = "packetlab-plain"


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_PLAIN.get(sign, "?") for sign in error.object[error.start : error.end]), error.end


codecs.register_error(_PLAINLY, _plain)


def colourful(stream: TextIO) -> bool:
    """Whether styles are wanted there (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width(default: int = 100) -> int:
    """Columns to use."""
    try:
        return max(60, min(os.get_terminal_size(sys.stdout.fileno()).columns, 160))
    except (OSError, ValueError):
        return default


def paint(style: str, text: str, stream: TextIO) -> str:
    """The text in its style, where the stream shows styles."""
    code = _STYLES.get(style, "")
    return f"\x1b[{code}m{text}\x1b[0m" if code and text and colourful(stream) else text


def show(lines: Iterable[tuple[str, str]]) -> None:
    """Print (style, text) lines."""
    for style, text in lines:
        print(paint(style, text, sys.stdout))


def say(text: str) -> None:
    """Tell what is being done, on standard error: it is not part of any result."""
    print(paint("dim", f"· {text}", sys.stderr), file=sys.stderr)


def quiet(_: str) -> None:
    """Tell nothing."""


def show_json(value: Any) -> None:
    """Print data."""
    print(json.dumps(value, indent=2, default=str, ensure_ascii=False))


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[tuple[str, str]]:
    """Rows under heads, as lines."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in cells]
    return [("title", lines[0]), *(("", line) for line in lines[1:])]


def print_error(error: LabError) -> None:
    """Print what went wrong, where, and what to do, as one block on standard error."""
    from lab.report.safe import safe

    for problem in error.problems:
        where = f"{problem.where}: " if str(problem.where) else ""
        print(paint("bad", safe(f"{where}{problem.what}", lines=True), sys.stderr), file=sys.stderr)
        for line in problem.hint.splitlines():
            print(f"  {safe(line)}", file=sys.stderr)


def open_streams() -> None:
    """Stand in for what the caller closed, or the next file that is opened would be taken for standard output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8"))  # noqa: SIM115
        elif number:
            getattr(sys, name).reconfigure(errors=_PLAINLY)  # a Latin terminal has no │, and that is no failure


def stop_writing() -> None:
    """Let what is left in the buffer of a broken standard output go nowhere, instead of complaining at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

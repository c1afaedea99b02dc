"""Files that are there as a whole or not at all, whatever ends the command that writes them."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from lab.errors import LabError, NotMeasuredError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def earlier(path: Path) -> str:
    """What to say behind the name of a file that takes the place of another; asked before it is written."""
    return " (in place of an earlier one)" if path.exists() else ""


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

"""The one place of the grammar that reads: files that a YAML file names beside itself."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from lab.grammar.base import Refused
from lab.yaml.text import show

MAX_BYTES = 16 * 2**20  # one file; a compiled example program fits


def beside(folder: Path, seen: dict[str, bytes]) -> Callable[[str], bytes]:
    """A reader of files below a folder, which keeps each file's bytes in `seen` under its path.

    The reader raises `Refused` for a file that is missing, too large, no regular file, or outside by a symbolic link.
    """

    def read(name: str) -> bytes:
        if name not in seen:
            seen[name] = _read(folder, name)
        return seen[name]

    return read


def _read(folder: Path, name: str) -> bytes:
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder.resolve()):
            raise Refused(f"{show(name)} leads out of the folder by a symbolic link", "copy the file into the folder")
        # O_NONBLOCK: opening a pipe that nobody writes to must not hang.
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Refused(f"{show(name)} is not a regular file")
            if status.st_size > MAX_BYTES:
                raise Refused(f"{show(name)} has {status.st_size} bytes", f"at most {MAX_BYTES // 2**20}MiB")
            return file.read(MAX_BYTES)
    except FileNotFoundError:
        raise Refused(f"there is no file {show(name)}", f"looked in {folder}") from None
    except IsADirectoryError:
        raise Refused(f"{show(name)} is a folder, where a file is expected") from None
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it cannot be opened"
        raise Refused(f"{show(name)} cannot be read: {reason}") from None

"""Which `lab` graded: its version and a digest of its code, so that a changed judge keeps no grades of the old one."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import lab


@cache
def lab_version() -> str:
    """The version and twelve digits of SHA-256 over every module of the package."""
    root = Path(lab.__file__).parent
    hashed = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        hashed.update(f"\0{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return f"{lab.__version__}+{hashed.hexdigest()[:12]}"

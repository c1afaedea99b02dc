"""A lab's containers as the Engine's machine shows them, by the mark in the environment of their first processes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path


def marked(mark: str) -> dict[int, str]:
    """The first processes of a lab's containers, with the nodes that these are: the Engine gave them an environment."""
    found = {}
    wanted = f"LAB_MARK={mark}".encode()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                given = Path("/proc", entry, "environ").read_bytes().split(b"\0")
                if wanted in given and _is_first(entry):
                    node = next((each[9:].decode() for each in given if each.startswith(b"LAB_NODE=")), "")
                    found[int(entry)] = node
    return found


def with_images(found: Iterable[int]) -> set[int]:
    """These first processes of nodes, and those of the containers that share the nodes' networks."""
    networks = {_network(pid) for pid in found} - {_network("self"), 0}
    there = [entry for entry in os.listdir("/proc") if entry.isdigit() and _network(entry) in networks]
    return {*found, *(int(entry) for entry in there if _is_first(entry))}


def _network(pid: int | str) -> int:
    """What tells a process's network namespace; 0 of one that has ended."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except OSError:
        return 0


def _is_first(entry: str) -> bool:
    """Whether a process lives and is the first of its PID namespace."""
    try:
        status = Path("/proc", entry, "status").read_text()
    except OSError:
        return False
    return any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines())

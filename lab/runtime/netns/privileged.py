"""A step with a capability: in a sandbox of our own, because bubblewrap's begins with a user namespace.

There a capability would be worth nothing, for the node's network belongs to the lab's. So such a step runs in the lab's
user namespace and has that one capability in it; it can enter no other network, and what else it could be used for is
not among the calls that steps may make. Its user is the lab's, its processes are counted with the lab's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from lab.runtime.base import CAPABILITIES, Limits
from lab.runtime.docker.agent import box
from lab.runtime.docker.agent.syscalls import open_tree
from lab.runtime.netns import sandbox, seccomp


def become(request: Mapping[str, Any], folder: Path, status: int, hold: int | None, failed: int) -> NoReturn:
    """Turn this process, which is in the node's namespaces, into the step; see `lab.runtime.netns.launch.become`."""

    def say_failure(error: OSError) -> None:
        os.write(failed, json.dumps({"failed": error.strerror or str(error), "errno": error.errno}).encode())

    def begin() -> None:
        os.close(failed)  # the keeper reads it to its end before it does anything else
        if hold is not None:
            os.read(hold, 1)

    writable = request["folder"]
    limits = Limits(**request["limits"])
    made = box.Box(
        uid=os.getuid(),
        etc=_etc(folder / "etc"),
        folder=open_tree(writable) if writable else None,
        shown=(*request["files"], *request["mounts"], *sandbox.interpreter()),
        whole=False,
        limits=replace(limits, processes=sandbox.LAB_PROCESSES),
        filter=seccomp.program(administers=request["privilege"] == "net-admin"),
        hold=None,
        kept=frozenset({CAPABILITIES[request["privilege"]]}),
        early=begin,
        told=status,
    )
    box.run(made, box.command(request["argv"], box.environment(request["env"])), say_failure)


def _etc(folder: Path) -> dict[str, bytes]:
    """What the node's steps find in /etc, where the student's name is that of the lab's own user."""
    found = {each.name: each.read_bytes() for each in folder.iterdir()}
    theirs, ours = f":{sandbox.UID}:", f":{os.getuid()}:"
    for name in ("passwd", "group"):
        found[name] = found[name].replace(theirs.encode(), ours.encode(), 1)
    return found

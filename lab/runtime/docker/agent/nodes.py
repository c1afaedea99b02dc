"""A node as its lab's agent knows it: descriptors of its container's namespaces, and what lies in its /etc."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.runtime.docker.agent import cgroups
from lab.runtime.netns import netlink as nl
from lab.runtime.netns.syscalls import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, setns

_KINDS = {"net": CLONE_NEWNET, "mnt": CLONE_NEWNS, "uts": CLONE_NEWUTS, "ipc": CLONE_NEWIPC}


def namespaces(pid: int | str) -> dict[str, int]:
    """Descriptors of a process's namespaces."""
    return {kind: os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in (*_KINDS, "pid", "cgroup")}


@dataclass
class Node:
    """A running container of the lab; `plan` is the node's part of the plan as data."""

    plan: dict[str, Any]
    pid: int
    namespaces: dict[str, int]
    peers: dict[str, int] = field(default_factory=dict)  # by interface the index of its end on the Engine's machine
    route: nl.Netlink | None = None
    diag: nl.Netlink | None = None
    tasks: list[int] = field(default_factory=list)
    image: tuple[int, dict[str, int]] | None = None  # of the program of its own image: its PID, its namespaces

    @property
    def answering(self) -> list[str]:
        """The addresses on which a name server of ours answers; none where there is none."""
        found = [each for interface in self.plan["interfaces"] for each in interface["addresses"]]
        return [each.partition("/")[0] for each in found] if self.plan["names"] else []

    def enter(self, *kinds: str) -> None:
        """Move the calling process into namespaces of this node, its files last."""
        for kind in sorted(kinds, key=lambda each: each == "mnt"):
            setns(self.namespaces[kind], _KINDS[kind])

    @property
    def image_runs(self) -> bool:
        """Whether the program of the node's own image has not ended: a PID alone may be somebody else's by now."""
        if self.image is None:
            return False
        pid, spaces = self.image
        try:
            return Path(f"/proc/{pid}/ns/pid").stat().st_ino == os.fstat(spaces["pid"]).st_ino
        except OSError:
            return False

    def enter_files(self) -> None:
        """Move the calling process among the files that a step sees: the own image's where there is one."""
        if self.plan["whole"] and self.image is None:
            raise OSError(3, "the program of its image has ended")
        setns(self.image[1]["mnt"] if self.image else self.namespaces["mnt"], CLONE_NEWNS)

    def processes(self, kind: str) -> int:
        """The PID namespace of a program: the administrator sees what the own image runs."""
        return self.image[1]["pid"] if kind == "admin" and self.image and self.image_runs else self.namespaces["pid"]

    def groups(self) -> list[int]:
        """Where its programs join its control groups."""
        if not self.tasks:
            self.tasks = cgroups.tasks_of(self.pid)
        return self.tasks

    def ended_for_memory(self) -> int:
        """How many of its processes the kernel has ended for lack of memory."""
        try:
            return cgroups.ended_for_memory(self.pid)
        except OSError:  # the container has ended
            return 0


@contextlib.contextmanager
def inside(node: Node, home: dict[str, int], *kinds: str) -> Iterator[None]:
    """Be in namespaces of a node for a moment."""
    node.enter(*kinds)
    try:
        yield
    finally:
        for kind in kinds:
            setns(home[kind], _KINDS[kind])


def files_of(plan: dict[str, Any], uid: int) -> dict[str, bytes]:
    """What a node's programs find in /etc; `uid` is the one that its steps run under."""
    hosts = "".join(f"{address}\t{' '.join(names)}\n" for address, names in plan["hosts"])
    sources = "files dns" if plan["resolv_conf"] else "files"
    text = {
        "hosts": hosts,
        "hostname": f"{plan['name']}\n",
        "resolv.conf": plan["resolv_conf"],
        "nsswitch.conf": f"passwd: files\ngroup: files\nhosts: {sources}\nservices: files\nprotocols: files\n",
        "host.conf": "multi on\n",
        "passwd": f"root:x:0:0:root:/root:/bin/sh\nstudent:x:{uid}:{uid}:student:/work:/bin/sh\n",
        "group": f"root:x:0:\nstudent:x:{uid}:\n",
    }
    return {name: content.encode() for name, content in text.items()}


def lay_files(plan: dict[str, Any], files: dict[str, bytes]) -> None:
    """Write the plan's names and the topology's own files; the caller is in the node's mount namespace."""
    etc = files_of(plan, 0)
    for name in ("hosts", "resolv.conf"):  # in place: the Engine has bound its own there
        Path("/etc", name).write_bytes(etc[name])
    for path, content in files.items():
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

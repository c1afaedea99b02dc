"""What a lab's containers and networks are called, and the labels by which they are found again. Pure."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

LAB = "packetlab.lab"  # the lab's name; each object of ours has it
OWNER = "packetlab.owner"  # USER@HOST
PLACE = "packetlab.place"  # the owner's folder for live state, as the embedded runtime has it
MARK = "packetlab.mark"  # differs from lab to lab
KIND = "packetlab.kind"  # helper, node, image (what runs on a node that has one of its own) or network
NODE = "packetlab.node"
NETWORK = "packetlab.network"
MAKER = "packetlab.maker"  # the process that brings it up: BOOT PID START
SOURCE = "packetlab.source"
PLAN = "packetlab.plan"  # of the helper: the plan, compressed
LASTING = "packetlab.lasting"

HELPER = ".helper"  # ends the name of a helper; no node's container ends so


@dataclass(frozen=True)
class Owner:
    """Whose labs: other users' and other places' are never touched."""

    who: str
    place: str

    @property
    def labels(self) -> dict[str, str]:
        """What marks an object as this owner's."""
        return {OWNER: self.who, PLACE: self.place}

    def filters(self, **more: str) -> dict[str, list[str]]:
        """For the Engine's listings: this owner's objects, those of one `lab`, or of one `mark`."""
        wanted = [f"{key}={value}" for key, value in self.labels.items()]
        wanted += [f"{ {'lab': LAB, 'mark': MARK, 'kind': KIND}[key] }={value}" for key, value in more.items()]
        return {"label": wanted}


def owner(environment: Mapping[str, str] = os.environ) -> Owner:
    """The calling user's."""
    uid = os.getuid() if hasattr(os, "getuid") else None
    user = environment.get("USER") or environment.get("USERNAME") or environment.get("LOGNAME") or str(uid)
    if uid == 0:
        user = "root"
    return Owner(f"{user}@{platform.node()}", environment.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())


@dataclass(frozen=True)
class Names:
    """The names of one lab's objects: told apart by its owner, so that two users' labs have room for each other."""

    owner: Owner
    lab: str
    mark: str
    lasting: bool

    @property
    def base(self) -> str:
        """What all of them begin with: a lasting lab's is the same each time, so the Engine lets only one be."""
        if not self.lasting:
            return f"lab-{self.lab}-{self.mark}"
        scope = hashlib.sha256(f"{self.owner.who}\0{self.owner.place}".encode()).hexdigest()[:6]
        return f"lab-{self.lab}-{scope}"

    @property
    def helper(self) -> str:
        """The container in which the agent runs."""
        return f"{self.base}{HELPER}"

    @property
    def starting(self) -> str:
        """What a lasting lab's helper is called until the whole lab is up."""
        return f"{self.base}.starting"

    def node(self, name: str) -> str:
        """A node's container."""
        return f"{self.base}-{name}"

    def image(self, name: str) -> str:
        """The container of a node's own image."""
        return f"{self.base}-{name}.image"

    def network(self, name: str) -> str:
        """A segment's network."""
        return f"{self.base}-{name}"

    @property
    def labels(self) -> dict[str, str]:
        """What every object of the lab carries."""
        lasting = {LASTING: "yes"} if self.lasting else {}
        return {LAB: self.lab, MARK: self.mark, **self.owner.labels, **lasting}

"""The runtimes: ways to bring a lab up. A new one is a folder here and a line in `RUNTIMES`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab.errors import LabError, NotMeasuredError

if TYPE_CHECKING:
    from lab.runtime.base import Runtime


def _netns() -> Runtime:
    if sys.platform != "linux":
        hint = "labs run on Linux; lab judge, lab trace and lab frame read kept runs anywhere"
        raise NotMeasuredError("namespaces are Linux's: this system has none", hint=hint)
    from lab.runtime.netns.runtime import NetnsRuntime

    return NetnsRuntime()


def _docker() -> Runtime:
    from lab.runtime.docker.runtime import DockerRuntime

    return DockerRuntime()


RUNTIMES: dict[str, Callable[[], Runtime]] = {"netns": _netns}
if os.environ.get("LAB_DOCKER_PREVIEW"):
    RUNTIMES["docker"] = _docker


def choose(flag: str | None = None, written: str | None = None) -> Runtime:
    """The runtime by flag, then LAB_RUNTIME, then the topology's file, else the embedded one.

    Raises LabError for an unknown name, NotMeasuredError with the remedies where it cannot work on this machine.
    """
    name = flag or os.environ.get("LAB_RUNTIME") or written or "netns"
    if name not in RUNTIMES:
        hint = "known: " + ", ".join(RUNTIMES)
        if name == "docker":
            hint = "containers are a preview: LAB_DOCKER_PREVIEW=1 lab … turns them on"
        raise LabError(f"there is no runtime {name}", hint=hint)
    runtime = RUNTIMES[name]()
    problems = runtime.problems()
    if problems:
        raise NotMeasuredError(problems)
    return runtime

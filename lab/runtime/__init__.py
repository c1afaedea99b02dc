"""The runtimes: ways to bring a lab up. A new one is a folder here and a line in `RUNTIMES`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab.errors import LabError, NotMeasuredError, Problem

if TYPE_CHECKING:
    from lab.exercise import Exercise
    from lab.runtime.base import Runtime


_ELSEWHERE = Problem(
    "namespaces are Linux's: this system has none",
    hint="--runtime docker brings labs up with Docker; lab judge, lab trace and lab frame read kept runs anywhere",
)


def _netns() -> Runtime:
    if sys.platform != "linux":
        raise NotMeasuredError([_ELSEWHERE])
    from lab.runtime.netns.runtime import NetnsRuntime

    return NetnsRuntime()


def _docker() -> Runtime:
    from lab.runtime.docker.runtime import DockerRuntime

    return DockerRuntime()


RUNTIMES: dict[str, Callable[[], Runtime]] = {"netns": _netns, "docker": _docker}


def choose_for(exercise: Exercise, flag: str | None, say: Callable[[str], None]) -> Runtime | None:
    """The runtime of an exercise's runs; None, whatever is asked for, where captures are handed in and nothing is run.

    Raises as `choose` does.
    """
    return None if exercise.unverified else choose(flag, exercise.topology.runtime, say)


def choose(flag: str | None, written: str | None, say: Callable[[str], None]) -> Runtime:
    """The runtime by flag, then LAB_RUNTIME, then the topology's file.

    Where none of them names one it is the embedded one, or, where that cannot work and a Docker Engine answers, Docker:
    `say` is told so. Raises LabError for an unknown name, NotMeasuredError with the remedies where it cannot work here.
    """
    name = flag or os.environ.get("LAB_RUNTIME") or written
    if name and name not in RUNTIMES:
        raise LabError(f"there is no runtime {name}", hint="known: " + ", ".join(RUNTIMES))
    runtime = RUNTIMES[name or "netns"]() if name or sys.platform == "linux" else None
    problems = runtime.problems() if runtime else [_ELSEWHERE]
    if runtime and not problems:
        return runtime
    if name:
        raise NotMeasuredError(problems)
    docker = _docker()
    if refused := docker.problems():
        raise NotMeasuredError([*problems, *refused])
    say(f"runtime docker: the embedded one cannot work here ({problems[0].what}); lab doctor tells more")
    return docker

"""What works on this machine, and how to mend what does not: everything is tried."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lab.errors import LabError
from lab.runtime.netns.machine import (
    CONTAINER_HINT,
    PURPOSES,
    REQUIRED,
    Machine,
    install_hint,
    look,
    problems,
    which,
)

if TYPE_CHECKING:
    from lab.runtime.base import LiveLab

_TRIAL = """\
name: doctor
networks: {lan: {subnet: SUBNET}}
nodes:
  a: {role: host, interfaces: {eth0: lan}}
  b: {role: host, interfaces: {eth0: lan}}
"""
_ENGINE_LIMIT = 5.0  # seconds for any answer of a Docker Engine's
_OWN_FOLDER = "set XDG_RUNTIME_DIR to a private folder of yours"

State = Literal["works", "fails", "absent"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at; `absent` is no failure: something cannot be used that a lab does without."""

    name: str
    state: State
    detail: str
    remedy: str = ""


def report() -> list[Finding]:
    """Everything about this machine that matters to a lab, tried out where that is possible; takes about a second."""
    machine = look()
    found = [Finding("system", "works", f"{platform.system()} {platform.release()}, {_distribution()}".rstrip(", "))]
    found.append(Finding("python", "works", f"{platform.python_version()}, {sys.executable}"))
    if machine.system == "Linux":
        found += [_tool(name, machine.manager) for name in PURPOSES]
    expected = [each for each in problems(machine) if not machine.missing or "missing" not in each.what]
    found += [Finding("namespaces", "fails", each.what, each.hint) for each in expected]
    if machine.system == "Linux":
        found.append(_state_folder())
        if not problems(machine):
            found.append(_trial(machine))
            if found[-1].state == "works" and which("nft"):
                found.append(_ipv6_trial())
    return [*found, _docker()]


def _tool(name: str, manager: str) -> Finding:
    path = which(name)
    if path is None:
        state: State = "fails" if name in REQUIRED else "absent"
        return Finding(name, state, f"missing: {PURPOSES[name]}", install_hint((name,), manager))
    return Finding(name, "works", _version([path, "-V" if name in ("ip", "ping", "strace") else "--version"]))


def _trial(machine: Machine) -> Finding:
    """Bring a small lab up and run a program in its sandbox, as every run does."""
    from lab.runtime.base import Program

    started = time.monotonic()
    try:
        lab = _small_lab("10.0.0.0/24")
        try:
            up = time.monotonic() - started
            program = lab.start(Program("a", ("true",)))
            ended = lab.wait(lambda: not program.running, 20)
            took = time.monotonic() - started - up
            if not ended or program.exit_code:
                why = bytes(program.stderr.data).decode(errors="replace").strip() or "it did not end"
                return Finding("sandbox", "fails", f"a program could not be run in it: {why}", _trial_hint(machine))
        finally:
            lab.close()
    except (LabError, OSError) as error:
        return Finding("a small lab", "fails", f"it did not come up: {error}", _trial_hint(machine))
    detail = f"up in {up * 1000:.0f} ms, a program run in its sandbox in {took * 1000:.0f} ms"
    return Finding("a small lab", "works", detail)


def _ipv6_trial() -> Finding:
    """Bring the same lab up with IPv6: no failure where the kernel cannot, for labs with IPv4 do without."""
    name = "with IPv6"
    try:
        _small_lab("fd00::/64").close()
    except (LabError, OSError) as error:
        why = error.problems[0].what if isinstance(error, LabError) else str(error)
        return Finding(name, "absent", f"it does not come up: {why}", "labs with IPv4 alone do without")
    return Finding(name, "works", "the same small lab comes up")


def _small_lab(subnet: str) -> LiveLab:
    from lab.plan import make_plan
    from lab.runtime.netns.runtime import NetnsRuntime
    from lab.topology import parse_topology

    topology = parse_topology(_TRIAL.replace("SUBNET", subnet), "lab doctor")
    return NetnsRuntime().up(make_plan(topology), say=lambda _: None)


def _trial_hint(machine: Machine) -> str:
    if machine.apparmor_restricts == "1":
        return f"AppArmor restricts user namespaces here, and this process runs under its profile {machine.label}"
    return CONTAINER_HINT if machine.container else "sudo dmesg | tail may say what the kernel refused"


def _state_folder() -> Finding:
    from lab.runtime.netns import state

    try:
        folder = state.base()
    except (LabError, OSError) as error:
        return Finding("state folder", "fails", str(error), _OWN_FOLDER)
    if not os.access(folder, os.W_OK):
        return Finding("state folder", "fails", f"{folder} cannot be written", _OWN_FOLDER)
    return Finding("state folder", "works", str(folder))


def _docker() -> Finding:
    """Whether labs can use a Docker Engine; no failure where they cannot, for they do without."""
    from lab.runtime.docker.engine import might_answer
    from lab.runtime.docker.runtime import DockerRuntime

    if which("docker") is None and not might_answer():
        return Finding("docker", "absent", "not installed: labs run without it")
    try:
        return Finding("docker", "works", DockerRuntime().about(_ENGINE_LIMIT))
    except LabError as error:
        (problem, *_) = error.problems
        return Finding("docker", "absent", f"labs cannot use it: {problem.what}", problem.hint)


def _version(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}, which does not tell its version: {error}"
    return next((line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()), command[0])


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        return ""

"""How an agent starts a program in a node's container: fork, enter, become it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from lab.runtime.base import CAPABILITIES, Limits
from lab.runtime.docker.agent import box, cgroups
from lab.runtime.docker.agent.nodes import Node, files_of
from lab.runtime.docker.agent.syscalls import bound_capabilities, set_capabilities
from lab.runtime.netns import child, sandbox, seccomp
from lab.runtime.netns.syscalls import (
    CLONE_NEWNS,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    die_with_parent,
    mount,
    unshare,
)

_MS_PRIVATE = 1 << 18
# What the administrator of a machine's network needs; none by which one could leave the container.
# CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_ADMIN, NET_RAW, SYS_CHROOT,
# SYS_PTRACE
_ADMIN = frozenset({0, 1, 3, 4, 5, 6, 7, 8, 10, 12, 13, 18, 19})


def become(
    request: Mapping[str, Any],
    node: Node,
    stdio: tuple[int, int, int],
    folder: int | None,
    uid: int,
    hold: tuple[int, int] | None,
    left: int | None,
    failed: int,
) -> NoReturn:
    """Turn this forked child into the requested program; what goes wrong before is written to `failed` as JSON.

    `hold` is where a step says that it is about to begin, and from where it hears that it may; `left` is where it says
    that it has ended and left others running.
    """

    def say_failure(error: OSError) -> None:
        os.write(failed, json.dumps({"failed": error.strerror or str(error), "errno": error.errno}).encode())

    try:
        child.begin(stdio, terminal=request.get("terminal", False))
        kind = request["kind"]
        if kind == "step":
            child.be_step(handed_in=request["handed_in"])
            cgroups.join(node.tasks)
            node.enter("net", "uts")
            node.enter_files()
            shown = (*node.plan["files"], *request["mounts"])
            limits = Limits(**request["limits"])
            filtered = seccomp.program(administers=request["privilege"] == "net-admin")
            held = _holder(*hold, failed) if hold else None
            kept = frozenset(CAPABILITIES[each] for each in (request["privilege"],) if each)
            etc, whole = files_of(node.plan, uid), node.plan["whole"]
            made = box.Box(uid, etc, folder, shown, whole, limits, filtered, held, kept, left=left)
            box.run(made, box.command(request["argv"], box.environment(request["env"])), say_failure)
        argv, env = list(request["argv"]), {"PATH": sandbox.PATH, **request["env"]}
        if kind == "admin":
            _be_admin(request, node)
            env["HOME"] = env.get("HOME", "/") if os.access(env.get("HOME", "/"), os.X_OK) else "/"
        else:
            node.enter("net")
            child.be_tool(request["file_size"])
        program = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=env["PATH"])
        if program is None:
            raise FileNotFoundError(2, f"there is no program {argv[0]}")
        os.execve(program, argv, env)
    except OSError as error:
        say_failure(error)
    os._exit(127 if request["kind"] != "tool" else 125)


def _holder(waiting: int, go: int, failed: int) -> Callable[[], None]:
    """Says that a step is about to begin and waits until it may; nothing can go wrong any more by then."""

    def hold() -> None:
        os.close(failed)  # the agent reads it to its end before it does anything else
        os.write(waiting, b"!")
        os.read(go, 1)

    return hold


def _be_admin(request: Mapping[str, Any], node: Node) -> None:
    die_with_parent()  # some Engines kill the helper's processes in an order that leaves the agent no time to
    cgroups.join(node.tasks)
    node.enter("net", "uts", "ipc", "mnt")
    unshare(CLONE_NEWNS)
    mount("none", "/", None, MS_REC | _MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)  # the Engine's has sysctls that cannot be written
    with contextlib.suppress(OSError):
        os.chdir(request.get("cwd") or "/")
    bound_capabilities(_ADMIN)
    set_capabilities(_ADMIN)

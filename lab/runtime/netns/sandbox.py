"""The command line of bubblewrap for a step: what a student's program may see of this machine."""

from __future__ import annotations

import resource
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.runtime.base import Limits

HOME = "/work"
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"
UID = 1000

_ROOT_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "protocols", "services")
LAB_PROCESSES = 8192  # of all steps of a lab together
_TEMPORARY = 64 << 20  # bytes of /tmp, and of /dev/shm


@dataclass(frozen=True)
class Box:
    """What a step's sandbox is made of.

    `etc` is the node's own and `folder` the writable one; `shown` is path inside → path here, readable only.
    `status` is a descriptor to which bubblewrap tells that the program was really started, and how it ended.
    """

    bwrap: str
    etc: str
    folder: str | None
    env: Mapping[str, str]
    shown: Mapping[str, str]
    processes: int
    status: int
    filter: int  # a descriptor with the program of `seccomp`
    hold: int | None = None  # a descriptor: the program begins when a byte comes from it, or its end


def command(box: Box, argv: Sequence[str]) -> list[str]:
    """The argument list that runs `argv` in a sandbox."""
    words = [
        box.bwrap,
        "--json-status-fd",
        str(box.status),
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-cgroup-try",
    ]
    words += ["--uid", str(UID), "--gid", str(UID), "--disable-userns"]
    # Not --die-with-parent: what a program leaves running has to live until the keeper has noted it and ends it.
    words += ["--new-session", "--clearenv"]
    words += ["--ro-bind", "/usr", "/usr"]
    for name in _ROOT_LINKS:
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), f"/{name}"]
        elif path.is_dir():
            words += ["--ro-bind", f"/{name}", f"/{name}"]
    words += ["--dev", "/dev", "--size", str(_TEMPORARY), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]
    # Bubblewrap's own process in there has no filter of system calls: nobody may write into its memory.
    words += ["--proc", "/proc", "--size", "4096", "--perms", "0555", "--tmpfs", "/proc/1", "--remount-ro", "/proc/1"]
    words += ["--size", str(_TEMPORARY), "--perms", "1777", "--tmpfs", "/tmp"]
    words += ["--perms", "0755", "--dir", "/etc"]
    for name in sorted(entry.name for entry in Path(box.etc).iterdir()):
        words += ["--ro-bind", f"{box.etc}/{name}", f"/etc/{name}"]
    for name in _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    for inside, here in ({path: path for path in interpreter()} | dict(box.shown)).items():
        words += ["--ro-bind", here, inside]
    if box.folder is not None:
        words += ["--bind", box.folder, HOME]
    else:
        words += ["--dir", HOME]
    words += ["--seccomp", str(box.filter)]
    if box.hold is not None:
        words += ["--block-fd", str(box.hold)]
    for name, value in environment(box.env).items():
        words += ["--setenv", name, value]
    # The number of processes is bounded in here: out there every step of the lab would count against it.
    bound = ["prlimit", f"--nproc={box.processes}:{box.processes}", "--"]
    return [*words, "--remount-ro", "/", "--chdir", HOME, "--", *bound, *argv]


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a step finds in its environment: the same on every machine, output unbuffered."""
    fixed = {"PATH": PATH, "HOME": HOME, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**fixed, "TMPDIR": "/tmp", "USER": "student", "LOGNAME": "student", **extra}


def interpreter() -> Iterator[str]:
    """Python itself, where the system has none below /usr: the one that runs `lab`, if steps can be shown it."""
    if shutil.which("python3", path=PATH) is None:
        yield sys.base_prefix


def apply(limits: Limits) -> None:
    """Bound the calling process and all it will start; the number of processes follows inside the sandbox."""
    for what, value in (
        (resource.RLIMIT_NPROC, LAB_PROCESSES),
        (resource.RLIMIT_NOFILE, limits.descriptors),
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 1 << 20),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (bound, bound))

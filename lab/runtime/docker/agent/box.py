"""A step's sandbox in a container: a root of its own over the image's, its own processes, no privilege, limits.

Bubblewrap makes the embedded runtime's; it cannot be used here, for a container's image need not have it, nor the
libraries that the helper's has.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lab.runtime.base import Limits
from lab.runtime.docker.agent.syscalls import (
    bound_capabilities,
    move_mount,
    no_new_privileges,
    seccomp,
    set_capabilities,
)
from lab.runtime.netns import sandbox
from lab.runtime.netns.syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNS,
    CLONE_NEWPID,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    keep_capabilities_over_exec,
    keep_capabilities_over_setuid,
    mount,
    unshare,
)

_ROOT = "/sys"  # every container has this folder, and nothing in a step needs what is there
_MS_REMOUNT, _MS_MOVE, _MS_PRIVATE = 1 << 5, 1 << 13, 1 << 18
_TEMPORARY = 64 << 20  # bytes of /tmp, and of /dev/shm
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "protocols", "services")
_MADE = ("proc", "sys", "dev", "tmp", "etc", "work", ".dockerenv")
_SPARED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class Box:
    """What a sandbox is made of: `folder` is a mount as `open_tree` gives it, `whole` shows all of the image."""

    uid: int
    etc: Mapping[str, bytes]
    folder: int | None
    shown: tuple[str, ...]
    whole: bool
    limits: Limits
    filter: bytes
    hold: Callable[[], None] | None  # called when the program is about to begin; it begins when this returns
    kept: frozenset[int] = frozenset()  # the capabilities that it has, by their numbers
    early: Callable[[], None] | None = None  # called before there is a process for the program
    told: int | None = None  # a descriptor to which its namespace and its exit code are told, in bubblewrap's words
    left: int | None = None  # a descriptor that gets the exit code of a program that leaves others running


def run(box: Box, become: Callable[[], None], say_failure: Callable[[OSError], None]) -> NoReturn:
    """Make the sandbox, run `become` in it, end as it ended; the calling process is in the node's namespaces.

    Three processes: this one, which waits; the first of the new PID namespace, which buries orphans and whose end the
    kernel makes everybody's; and the program. A signal to the tree leaves the first two alone but for SIGKILL. What the
    program leaves running ends with it; where `left` is given it is stopped instead, until somebody ends it.
    """
    unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWCGROUP)
    for number in _SPARED:
        signal.signal(number, signal.SIG_IGN)
    first = os.fork()
    if first:
        _let_go(box.told)
        _tell(box.told, "pid-namespace", namespace_of(os.getpid()))
        _, status = os.waitpid(first, 0)
        _tell(box.told, "exit-code", _code(status))
        os._exit(_code(status))
    try:
        _build(box)
        if box.early is not None:
            box.early()
        program = os.fork()
        if program == 0:
            os.setsid()
            for number in _SPARED:
                signal.signal(number, signal.SIG_DFL)
            _confine(box)
            become()
    except OSError as error:
        say_failure(error)
        os._exit(125)
    _let_go(box.left)
    while True:
        ended, status = os.waitpid(-1, 0)
        if ended == program and (box.left is None or not _stop_others()):
            os._exit(_code(status))
        if ended == program:
            assert box.left is not None
            os.write(box.left, str(_code(status)).encode())


def namespace_of(process: int) -> int | None:
    """The inode number of the PID namespace of a sandbox that `process` made by `run`; None of one that is gone."""
    try:
        return Path(f"/proc/{process}/ns/pid_for_children").stat().st_ino
    except OSError:
        return None


def _let_go(kept: int | None = None) -> None:
    """Close everything but one descriptor: the ends of the program's pipes are the program's."""
    most = min(int(os.sysconf("SC_OPEN_MAX")), 1 << 16)
    os.closerange(0, most if kept is None else kept)
    if kept is not None:
        os.closerange(kept + 1, most)


def _tell(told: int | None, what: str, number: int | None) -> None:
    if told is not None and number is not None:
        os.write(told, f'{{ "{what}": {number} }}\n'.encode())


def _stop_others() -> bool:
    """Stop everybody else in this PID namespace, of which the caller is the first; whether there is anybody."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            continue
    except ChildProcessError:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGSTOP)
    return True


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _build(box: Box) -> None:
    mount("none", "/", None, MS_REC | _MS_PRIVATE)
    mount("tmpfs", _ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=1m")
    root = Path(_ROOT)
    for name in sorted(os.listdir("/")) if box.whole else _SYSTEM:
        if name not in _MADE:
            _show(Path("/", name), root / name)
    for name in ("proc", "tmp", "work", "dev", "etc"):
        (root / name).mkdir()
    _fill_etc(box, root / "etc")
    for path in box.shown:
        _show(Path(path), root / path.lstrip("/"))
    _make_devices(root / "dev")
    _temporary(root / "tmp")
    if box.folder is not None:
        move_mount(box.folder, str(root / "work"))
    # hidepid: the sandbox's own processes are root's.
    mount("proc", str(root / "proc"), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "hidepid=2")
    for folder in ("dev", ""):
        mount("none", str(root / folder), None, _MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID)
    # Not pivot_root, which the Engine's profile refuses. What is underneath has no name any more, and nobody in
    # here may unmount.
    os.chdir(_ROOT)
    mount(".", "/", None, _MS_MOVE)
    os.chroot(".")
    os.chdir("/")


def _show(source: Path, target: Path) -> None:
    """Show a file or folder of the image, readable only; what the image does not have is left out."""
    if source.is_symlink():
        target.symlink_to(source.readlink())
        return
    with contextlib.suppress(FileNotFoundError):
        folder = stat.S_ISDIR(source.stat().st_mode)
        if folder:
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.touch()
        mount(str(source), str(target), None, MS_BIND | MS_REC)
        mount("none", str(target), None, _MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _fill_etc(box: Box, etc: Path) -> None:
    for name, content in box.etc.items():
        (etc / name).write_bytes(content)
    for name in sorted(os.listdir("/etc")) if box.whole else _ETC:
        if name not in box.etc and name != "mtab":
            _show(Path("/etc", name), etc / name)


def _make_devices(dev: Path) -> None:
    mount("tmpfs", str(dev), "tmpfs", MS_NOSUID, "mode=755,size=64k")
    for name in _DEVICES:
        (dev / name).touch()
        mount(f"/dev/{name}", str(dev / name), None, MS_BIND)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (dev / name).symlink_to(f"/proc/self/{target}")
    (dev / "pts").mkdir()
    mount("devpts", str(dev / "pts"), "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    (dev / "ptmx").symlink_to("pts/ptmx")
    (dev / "shm").mkdir()
    _temporary(dev / "shm")


def _temporary(path: Path) -> None:
    mount("tmpfs", str(path), "tmpfs", MS_NOSUID | MS_NODEV, f"mode=1777,size={_TEMPORARY}")


def _confine(box: Box) -> None:
    """Take every privilege but those that it keeps, and set the limits; what follows runs as the step's own user."""
    sandbox.apply(box.limits)
    bound_capabilities(box.kept)
    if os.getuid() != box.uid:
        os.setgroups([])
        os.setresgid(box.uid, box.uid, box.uid)
        keep_capabilities_over_setuid()
        os.setresuid(box.uid, box.uid, box.uid)
    set_capabilities(box.kept)
    if box.kept:
        keep_capabilities_over_exec()
    # After the change of user: the limit counts this user's processes alone.
    resource.setrlimit(resource.RLIMIT_NPROC, (box.limits.processes,) * 2)
    no_new_privileges()
    seccomp(box.filter)
    if box.hold is not None:
        box.hold()


def command(argv: list[str], env: Mapping[str, str], cwd: str = sandbox.HOME) -> Callable[[], None]:
    """What the sandboxed process does in the end: become the program, or say that there is none."""

    def become() -> None:
        os.chdir(cwd)
        os.umask(0o022)
        try:
            os.execvpe(argv[0], argv, dict(env))
        except OSError as error:
            # In the words of prlimit, which runs the program in the embedded runtime's sandbox.
            os.write(2, f"prlimit: failed to execute {argv[0]}: {os.strerror(error.errno or 0)}\n".encode())
            os._exit(126 if error.errno == 13 else 127)

    return become


def environment(extra: Mapping[str, Any]) -> dict[str, str]:
    """What a step finds in its environment."""
    return {**sandbox.environment(extra), "PWD": sandbox.HOME}

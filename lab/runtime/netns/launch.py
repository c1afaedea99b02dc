"""How a keeper starts a process in a node: fork, enter, become the program."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lab.plan import PlannedNode
from lab.runtime.base import Limits
from lab.runtime.netns import child, privileged, sandbox, seccomp
from lab.runtime.netns.syscalls import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUTS,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SLAVE,
    die_with_parent,
    keep_capabilities_over_exec,
    mount,
    set_process_name,
    sethostname,
    setns,
    unshare,
)

_FOLDER_LIMIT = 64 << 20  # bytes of a step's writable folder
_FOLDER_FILES = 16_384
_NSSWITCH = "passwd: files\ngroup: files\nhosts: {}\nservices: files\nprotocols: files\n"
_PASSWD = f"root:x:0:0:root:/root:/bin/sh\nstudent:x:{sandbox.UID}:{sandbox.UID}:student:{sandbox.HOME}:/bin/sh\n"


@dataclass
class Namespaces:
    """Where a process is to live: descriptors of a node's namespaces, as far as they exist."""

    network: int
    holder: int | None = None  # a pidfd of the process that holds the node's PID, mount and UTS namespaces


def write_node_files(node: PlannedNode, folder: Path) -> None:
    """Lay down what a node's programs find in /etc, and the topology's own files below `files/`."""
    etc = folder / "etc"
    etc.mkdir(parents=True)
    hosts = "".join(f"{address}\t{' '.join(names)}\n" for address, names in node.hosts)
    (etc / "hosts").write_text(hosts)
    (etc / "hostname").write_text(f"{node.name}\n")
    (etc / "resolv.conf").write_text(node.resolv_conf)
    (etc / "nsswitch.conf").write_text(_NSSWITCH.format("files dns" if node.nameserver else "files"))
    (etc / "host.conf").write_text("multi on\n")
    (etc / "passwd").write_text(_PASSWD)
    (etc / "group").write_text(f"root:x:0:\nstudent:x:{sandbox.UID}:\n")
    for file in node.files:
        path = folder / "files" / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)


def hold(node: PlannedNode, folder: Path, network: int, say_ready: int) -> NoReturn:
    """The first process of a node: makes its mount and UTS namespaces, then buries its orphans for ever."""
    die_with_parent()
    set_process_name(f"lab-{node.name}")
    setns(network, CLONE_NEWNET)
    unshare(CLONE_NEWNS | CLONE_NEWUTS)
    mount("none", "/", None, MS_REC | MS_SLAVE)
    sethostname(node.name)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    for name in ("hosts", "hostname", "resolv.conf", "nsswitch.conf"):
        if Path("/etc", name).exists():
            mount(str(folder / "etc" / name), str(Path("/etc", name).resolve()), None, MS_BIND)
    _place(folder / "files", node)
    _name_owner(folder)
    os.write(say_ready, b"!")
    highest = int(os.sysconf("SC_OPEN_MAX"))
    os.closerange(0, min(highest, 1 << 20))
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.sigwait({signal.SIGCHLD})


def _name_owner(folder: Path) -> None:
    """Give the lab's uid a name in the node, where the system has none for it: a lab that root brought up."""
    known = Path("/etc/passwd").read_text()
    if f":{os.getuid()}:" not in known:
        named = folder / "passwd"
        named.write_text(f"{known.rstrip()}\nlab:x:{os.getuid()}:{os.getgid()}:lab:/tmp:/bin/sh\n")
        mount(str(named), "/etc/passwd", None, MS_BIND)


def _place(files: Path, node: PlannedNode) -> None:
    """Show the topology's own files: bound over a file that exists, else through a layer over the nearest folder."""
    for number, file in enumerate(node.files):
        target = Path(file.path)
        if not target.is_file():
            anchor = next(parent for parent in target.parents if parent.is_dir())
            layer = files.parent / "layers" / str(number)
            (layer / "upper").mkdir(parents=True)
            (layer / "work").mkdir()
            options = f"lowerdir={anchor},upperdir={layer / 'upper'},workdir={layer / 'work'},userxattr"
            mount("overlay", str(anchor), "overlay", 0, options)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"")
        mount(str(files / file.path.lstrip("/")), file.path, None, MS_BIND)


def make_folder(path: Path, uid: int, gid: int) -> None:
    """A step's writable folder: a file system of its own, of bounded size."""
    path.mkdir(parents=True)
    options = f"size={_FOLDER_LIMIT},nr_inodes={_FOLDER_FILES},mode=755,uid={uid},gid={gid}"
    mount("tmpfs", str(path), "tmpfs", MS_NOSUID | MS_NODEV, options)


def become(
    request: Mapping[str, Any],
    namespaces: Namespaces,
    stdio: tuple[int, int, int],
    folder: Path,
    status: int,
    hold: int | None,
    failed: int,
) -> NoReturn:
    """Turn this forked child into the requested program; what goes wrong before is written to `failed` as JSON.

    `folder` holds the node's files; `status` is where a sandbox tells of its program, `hold` what it waits for.
    """
    try:
        _prepare(request, namespaces, stdio)
        if request.get("privilege"):
            privileged.become(request, folder, status, hold, failed)
        argv, env = _command(request, folder, status, hold)
        program = argv[0] if "/" in argv[0] else shutil.which(argv[0], path=env["PATH"])
        if program is None:
            raise FileNotFoundError(2, f"there is no program {argv[0]}")
        os.execve(program, argv, env)
    except OSError as error:
        os.write(failed, json.dumps({"failed": error.strerror or str(error), "errno": error.errno}).encode())
    os._exit(127 if request["kind"] != "tool" else 125)


def _prepare(request: Mapping[str, Any], namespaces: Namespaces, stdio: tuple[int, int, int]) -> None:
    child.begin(stdio, terminal=request["terminal"])
    setns(namespaces.network, CLONE_NEWNET)
    kind = request["kind"]
    if namespaces.holder is not None:
        setns(namespaces.holder, CLONE_NEWNS | CLONE_NEWUTS)
    if kind == "admin":
        with contextlib.suppress(OSError):  # a folder that this user cannot enter, or that is not there
            os.chdir(request.get("cwd") or "/")
    if kind == "step":
        os.chdir("/")
        sandbox.apply(Limits(**request["limits"]))
        child.be_step(handed_in=request["handed_in"])
    else:
        keep_capabilities_over_exec()
    if kind == "tool":
        child.be_tool(request["file_size"])


def _filter() -> int:
    """A descriptor that bubblewrap inherits, from which it reads the filter of system calls."""
    program = seccomp.program()
    fd = os.memfd_create("filter", 0)
    os.write(fd, program)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _command(
    request: Mapping[str, Any], folder: Path, status: int, hold: int | None
) -> tuple[list[str], dict[str, str]]:
    argv: list[str] = request["argv"]
    env: dict[str, str] = request["env"]
    if request["kind"] != "step":
        home = env.get("HOME", "/")
        return argv, {"PATH": sandbox.PATH, **env, "HOME": home if os.access(home, os.X_OK) else "/tmp"}
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        raise FileNotFoundError(2, "bubblewrap (bwrap) is missing")
    shown = {path: path for path in request["mounts"]}
    shown |= {path: str(folder / "files" / path.lstrip("/")) for path in request["files"]}
    os.set_inheritable(status, True)
    if hold is not None:
        os.set_inheritable(hold, True)
    processes = request["limits"]["processes"]
    box = sandbox.Box(bwrap, str(folder / "etc"), request["folder"], env, shown, processes, status, _filter(), hold)
    return sandbox.command(box, argv), {"PATH": sandbox.PATH}

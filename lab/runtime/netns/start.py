"""Brings a keeper into being: a process of an unprivileged uid that is root of nothing but its own namespaces."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from lab.errors import NotMeasuredError
from lab.plan import Plan
from lab.runtime.netns import state
from lab.runtime.netns.channel import Channel, pair
from lab.runtime.netns.keeper import Keeper
from lab.runtime.netns.syscalls import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_REC,
    MS_SHARED,
    MS_SLAVE,
    keep_capabilities_over_setuid,
    mount,
    regain_capabilities,
    set_dumpable,
    set_process_name,
    unshare,
)

_DYNAMIC_UIDS = range(61184, 65520)  # systemd's, for services without an account: nobody's files belong to them
_LIMIT = 120.0  # seconds a network may take to come up


def unprivileged_ids() -> tuple[int, int]:
    """Under which uid and gid a lab lives: the caller's own, for root one that nobody else uses."""
    if os.getuid() != 0:
        return os.getuid(), os.getgid()
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    free = [uid for uid in _DYNAMIC_UIDS if uid not in taken]
    chosen = free[os.getpid() % len(free)]
    return chosen, chosen


def start(plan: Plan, listener: socket.socket | None, say: Callable[[str], None]) -> tuple[Channel, int]:
    """Bring up the keeper of a lab; returns the channel to it and its PID once the network stands.

    Raises NotMeasuredError with the kernel's reason where it refuses.
    """
    ours, theirs = pair()
    uid, gid = unprivileged_ids()
    mount_point = state.mount_point()
    told, tell = os.pipe2(os.O_CLOEXEC)
    go, let_go = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _begin(plan, listener, theirs, (uid, gid), mount_point, tell, go)
    theirs.close()
    for fd in (tell, go):
        os.close(fd)
    try:
        if os.read(told, 1) == b"u":
            _map_ids(pid, uid, gid)
            os.write(let_go, b"!")
        keeper = b""
        while part := os.read(told, 64):
            keeper += part
    finally:
        os.close(told)
        os.close(let_go)
        os.waitpid(pid, 0)
    try:
        _await_ready(ours, say)
    except BaseException:
        ours.close()
        raise
    return ours, int(keeper)


def _map_ids(pid: int, uid: int, gid: int) -> None:
    own = os.getuid() != 0
    if own:  # without this the kernel forbids an ordinary user to map a gid
        Path(f"/proc/{pid}/setgroups").write_text("deny")
    Path(f"/proc/{pid}/gid_map").write_text(f"{gid} {gid} 1")
    Path(f"/proc/{pid}/uid_map").write_text(f"{uid} {uid} 1")


def _await_ready(channel: Channel, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + _LIMIT
    while True:
        channel.socket.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            received = channel.receive()
        except TimeoutError:
            raise NotMeasuredError(f"the network did not come up within {_LIMIT:.0f} s") from None
        if received is None:
            raise NotMeasuredError("the lab's keeper ended before the network was up")
        message, _ = received
        if "say" in message:
            say(message["say"])
        elif "failed" in message:
            raise NotMeasuredError(
                f"the kernel refused: {message['failed']}", hint="lab doctor says what is missing here"
            )
        else:
            channel.socket.settimeout(None)
            return


def _begin(
    plan: Plan,
    listener: socket.socket | None,
    channel: Channel,
    ids: tuple[int, int],
    mount_point: Path,
    tell: int,
    go: int,
) -> NoReturn:
    """In the forked child: make the namespaces, fork the keeper into them, say its PID and end."""
    try:
        os.setsid()
        _close_all_but({0, 1, 2, tell, go, channel.fileno()} | ({listener.fileno()} if listener else set()))
        unshare(CLONE_NEWUSER)
        os.write(tell, b"u")
        if os.read(go, 1) != b"!":
            os._exit(1)
        unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
        # What the host unmounts goes here too; what is mounted here goes on to the nodes, never to the host.
        mount("none", "/", None, MS_REC | MS_SLAVE)
        mount("none", "/", None, MS_REC | MS_SHARED)
        # Mounted before the change of uid: root's own folder may be closed to the lab's uid.
        options = f"size=50%,mode=711,uid={ids[0]},gid={ids[1]}"
        mount("tmpfs", str(mount_point), "tmpfs", MS_NOSUID | MS_NODEV, options)
        _take_ids(*ids)
        keeper = os.fork()
        if keeper == 0:
            os.close(tell)
            os.close(go)
            _keep(plan, listener, channel, mount_point)
        os.write(tell, str(keeper).encode())
    except OSError as error:
        with contextlib.suppress(OSError):
            channel.send({"failed": error.strerror or str(error), "errno": error.errno})
    except BaseException as error:
        with contextlib.suppress(OSError):
            channel.send({"failed": repr(error), "errno": 0})
    finally:
        os._exit(0)


def _close_all_but(kept: set[int]) -> None:
    """Let go of the caller's files: a copied end of another lab's channel would keep that lab alive."""
    for entry in os.listdir("/proc/self/fd"):
        if int(entry) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(entry))


def _take_ids(uid: int, gid: int) -> None:
    if os.getuid() == uid:
        return
    keep_capabilities_over_setuid()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    regain_capabilities()
    set_dumpable()


def _keep(plan: Plan, listener: socket.socket | None, channel: Channel, mount_point: Path) -> NoReturn:
    try:
        set_process_name("lab-keeper")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # two a node; 1,024 is usual
        mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in range(3):
            os.dup2(null, fd)
        os.chdir("/")
        Keeper(plan, mount_point, channel, listener).run()
    except BaseException as error:
        with contextlib.suppress(OSError):
            channel.send({"failed": repr(error), "errno": 0})
    finally:
        os._exit(1)

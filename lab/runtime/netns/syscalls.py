"""The few system calls that the standard library of Python 3.11 lacks, each raising OSError with what was tried."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_SLAVE, MS_SHARED = 1 << 12, 1 << 14, 1 << 19, 1 << 20

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_CHILD_SUBREAPER = 1, 4, 15, 36
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 40  # CAP_CHECKPOINT_RESTORE; a kernel that knows fewer refuses the rest with EINVAL

_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Move this process (for CLONE_NEWPID: its later children) into new namespaces."""
    _call("unshare", _libc.unshare(flags))


def setns(fd: int, flags: int) -> None:
    """Enter the namespace behind `fd`, or with a pidfd all those of `flags` that the process is in."""
    _call("setns", _libc.setns(fd, flags))


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount as in mount(2)."""
    kind_bytes = kind.encode() if kind else None
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind_bytes, ctypes.c_ulong(flags), os.fsencode(options) or None
    )
    _call(f"mount {kind or source} on {target}", result)


def sethostname(name: str) -> None:
    """Name this UTS namespace."""
    raw = name.encode()
    _call("sethostname", _libc.sethostname(raw, len(raw)))


def die_with_parent(number: int = 9) -> None:
    """Have this process killed, or sent another signal, when the thread that forked it ends."""
    _call("prctl", _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0))


def adopt_orphans() -> None:
    """Become the parent of every later descendant whose own parent ends, sessions of their own included."""
    _call("prctl", _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def set_dumpable() -> None:
    """Own /proc/self again after a change of user."""
    _call("prctl", _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0))


def set_process_name(name: str) -> None:
    """Show this process under `name` (at most 15 bytes) in ps."""
    _call("prctl", _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0))


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def keep_capabilities_over_exec() -> None:
    """Raise every permitted capability as ambient, so that a program run by an ordinary uid keeps it."""
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)()
    _call("capget", _libc.capget(ctypes.byref(header), data))
    for word in data:
        word.inheritable = word.permitted
    _call("capset", _libc.capset(ctypes.byref(header), data))
    for capability in range(_LAST_CAPABILITY + 1):
        if data[capability // 32].permitted >> (capability % 32) & 1:
            _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0)


def keep_capabilities_over_setuid() -> None:
    """Keep the permitted capabilities when the uid changes from a privileged one to another."""
    _call("prctl", _libc.prctl(8, 1, 0, 0, 0))  # PR_SET_KEEPCAPS


def regain_capabilities() -> None:
    """Make every permitted capability effective again."""
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)()
    _call("capget", _libc.capget(ctypes.byref(header), data))
    for word in data:
        word.effective = word.permitted
    _call("capset", _libc.capset(ctypes.byref(header), data))

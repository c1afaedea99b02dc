"""System calls of the sandbox that `lab.runtime.netns.syscalls` has no need of."""

from __future__ import annotations

import ctypes
import os
import struct

_libc = ctypes.CDLL(None, use_errno=True)

_OPEN_TREE, _MOVE_MOUNT = 428, 429  # the same on every architecture
_AT_FDCWD, _OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC, _MOVE_MOUNT_F_EMPTY_PATH = -100, 1, os.O_CLOEXEC, 4
_PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _PR_CAP_AMBIENT = 24, 38, 22, 47
_PR_CAP_AMBIENT_CLEAR_ALL, _SECCOMP_MODE_FILTER = 4, 2
_LAST_CAPABILITY = 40
_CAPABILITY_VERSION_3 = 0x20080522


def _check(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def open_tree(path: str) -> int:
    """A detached copy of the mount at `path`, to be attached in another mount namespace."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC
    return _check(f"open_tree {path}", _libc.syscall(_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags))


def move_mount(tree: int, target: str) -> None:
    """Attach what `open_tree` gave."""
    result = _libc.syscall(_MOVE_MOUNT, tree, b"", _AT_FDCWD, os.fsencode(target), _MOVE_MOUNT_F_EMPTY_PATH)
    _check(f"move_mount to {target}", result)


def bound_capabilities(kept: frozenset[int]) -> None:
    """Let no program that this process becomes have any capability but these."""
    for capability in range(_LAST_CAPABILITY + 1):
        if capability not in kept:
            _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # EINVAL for one that this kernel does not know


def set_capabilities(kept: frozenset[int]) -> None:
    """Keep these capabilities alone, as far as they are there, and none of them inheritable."""
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    bits = sum(1 << capability for capability in kept)
    low, high = bits & 0xFFFFFFFF, bits >> 32
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    before = ctypes.create_string_buffer(24)
    _check("capget", _libc.capget(header, before))
    had = struct.unpack("=6I", before.raw)
    wanted = struct.pack("=6I", low & had[1], low & had[1], 0, high & had[4], high & had[4], 0)
    _check("capset", _libc.capset(header, wanted))


def no_new_privileges() -> None:
    """Let no program that this process will become gain anything by set-uid bits."""
    _check("prctl", _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def seccomp(program: bytes) -> None:
    """Filter the system calls of this process and of all that it starts; `program` is an array of sock_filter."""
    buffer = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _check("seccomp", _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, described, 0, 0))

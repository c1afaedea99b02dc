"""The system calls that a step may not make, as a classic BPF program for bubblewrap's --seccomp.

Refused is what leads around the walls: tracing others, new namespaces and mounts, and what is shared with other
sandboxes of the same machine (keyrings, AF_VSOCK). Refused too is what a system-call trace would not show: io_uring,
children made with CLONE_UNTRACED, and clone3, whose flags a filter cannot see (C libraries then fall back to clone);
and what would have it show what never happened: a filter of the program's own, which can answer calls in the kernel's
place (seccomp(2), SECCOMP_RET_ERRNO and SECCOMP_RET_USER_NOTIF).
Numbers are from the kernel's tables for each architecture, instructions from <linux/filter.h> and <linux/seccomp.h>.
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_ANY, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x4000_0000

_NEW_NAMESPACES_OR_UNTRACED = 0x7E82_0000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # typing into somebody's terminal
_AF_ALG, _AF_VSOCK = 38, 40
_PR_SET_SECCOMP, _PR_SET_SYSCALL_USER_DISPATCH = 22, 59

_AUDIT = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_PRCTL = {"x86_64": 157, "aarch64": 167}
_CLONE3 = 435

# Each name with its number on x86_64 and on aarch64.
_REFUSED = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "syslog": (103, 116),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "personality": (135, 92),
    "seccomp": (317, 277),
}


def program(machine: str | None = None) -> bytes | None:
    """The filter for this architecture; None on one whose numbers are not written here."""
    machine = machine or platform.machine()
    if machine not in _AUDIT:
        return None
    column = list(_AUDIT).index(machine)
    code = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_JUMP_IF_EQUAL, _AUDIT[machine], 1, 0),
        _refuse(errno.ENOSYS),  # another architecture's calls have other numbers
        _instruction(_LOAD, _NUMBER),
        _instruction(_JUMP_IF_ANY, _X32, 0, 1),
        _refuse(errno.ENOSYS),
        _instruction(_JUMP_IF_EQUAL, _CLONE3, 0, 1),
        _refuse(errno.ENOSYS),
    ]
    for numbers in _REFUSED.values():
        code += [_instruction(_JUMP_IF_EQUAL, numbers[column], 0, 1), _refuse(errno.EPERM)]
    code += _argument(_CLONE[machine], 0, [(_JUMP_IF_ANY, _NEW_NAMESPACES_OR_UNTRACED)], errno.EPERM)
    code += _argument(_IOCTL[machine], 1, [(_JUMP_IF_EQUAL, _TIOCSTI), (_JUMP_IF_EQUAL, _TIOCLINUX)], errno.EPERM)
    filters = [(_JUMP_IF_EQUAL, _PR_SET_SECCOMP), (_JUMP_IF_EQUAL, _PR_SET_SYSCALL_USER_DISPATCH)]
    code += _argument(_PRCTL[machine], 0, filters, errno.EPERM)
    families = [(_JUMP_IF_EQUAL, _AF_ALG), (_JUMP_IF_EQUAL, _AF_VSOCK)]
    code += _argument(_SOCKET[machine], 0, families, errno.EAFNOSUPPORT)
    return b"".join([*code, _instruction(_RETURN, _ALLOW)])


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | number)


def _argument(number: int, position: int, tests: list[tuple[int, int]], refusal: int) -> list[bytes]:
    """Refuse a call where the low half of one argument fits a test; ends with the call's number loaded again."""
    body = [_instruction(_LOAD, 16 + 8 * position)]
    for code, value in tests:
        body += [_instruction(code, value, 0, 1), _refuse(refusal)]
    body.append(_instruction(_LOAD, _NUMBER))
    return [_instruction(_JUMP_IF_EQUAL, number, 0, len(body)), *body]

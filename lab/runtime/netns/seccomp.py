"""The system calls that a step may not make, as a classic BPF program for bubblewrap's --seccomp.

Refused is what leads around the walls: tracing others, new namespaces and mounts, and what is shared with other
sandboxes of the same machine: keyrings, and locks and watches, for the system's files are the same in all of them.
Of sockets there are only the families that a network program needs, the rest is kernel code that nobody else uses, or
leads out of the lab (AF_VSOCK); and no socket may take an address that is not its node's (IP_FREEBIND).

Refused too is memory that no limit counts and nobody can see (see `lab.runtime.netns.memory`): memory files, System V's
segments, and shared mappings beyond a size.

Refused too is what a system-call trace would not show: io_uring, children made with CLONE_UNTRACED, and clone3, whose
flags a filter cannot see (C libraries then fall back to clone); and what would have it show what never happened: a
filter of the program's own, which can answer calls in the kernel's place (seccomp(2), SECCOMP_RET_ERRNO and
SECCOMP_RET_USER_NOTIF).
Numbers are from the kernel's tables for each architecture, instructions from <linux/filter.h> and <linux/seccomp.h>.
"""

from __future__ import annotations

import errno
import platform
import struct

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_JUMP_IF_EQUAL, _JUMP_IF_GREATER, _JUMP_IF_ANY = 0x15, 0x25, 0x45
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x4000_0000

_NEW_NAMESPACES_OR_UNTRACED = 0x7E82_0000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # typing into somebody's terminal
_FAMILIES = (1, 2, 10, 17)  # AF_UNIX, AF_INET, AF_INET6; AF_PACKET, which takes a capability
_AF_NETLINK, _NETLINK_ROUTE, _NETLINK_SOCK_DIAG = 16, 0, 4
_FREEBIND = ((0, 15), (41, 78))  # IP_FREEBIND and IPV6_FREEBIND, each behind its level
_LOCKS = (5, 6, 7, 36, 37, 38, 1024, 1026)  # F_GETLK to F_OFD_SETLKW, F_SETLEASE, F_NOTIFY
_MAP_TYPE, _MAP_SHARED, _MAP_SHARED_VALIDATE = 0xF, 1, 3
_PR_SET_SECCOMP, _PR_SET_SYSCALL_USER_DISPATCH = 22, 59

_AUDIT = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
_SETSOCKOPT = {"x86_64": 54, "aarch64": 208}
_PRCTL = {"x86_64": 157, "aarch64": 167}
_FCNTL = {"x86_64": 72, "aarch64": 25}
_MMAP = {"x86_64": 9, "aarch64": 222}
_CLONE3 = 435
SHARED_MAPPING = 16 << 20  # bytes of the largest mapping that may be shared

# Each name with its number on x86_64 and on aarch64, which lacks some.
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
    "modify_ldt": (154, None),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
}
# As of a kernel that was built without them, or with no more of them to give.
_ABSENT = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
}
_NO_LOCKS = {"flock": (73, 32)}


def known(machine: str | None = None) -> bool:
    """Whether there is a filter for this architecture."""
    return (machine or platform.machine()) in _AUDIT


def program(machine: str | None = None, *, administers: bool = False) -> bytes:
    """The filter for this architecture; raises OSError on one whose numbers are not written here.

    Who `administers` its node's network may speak all of netlink's protocols, as nft has to.
    """
    machine = machine or platform.machine()
    if not known(machine):
        raise OSError(errno.ENOSYS, f"no sandbox is known for the architecture {machine}")
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
    for calls, error in ((_REFUSED, errno.EPERM), (_ABSENT, errno.ENOSYS), (_NO_LOCKS, errno.ENOLCK)):
        for numbers in calls.values():
            if (number := numbers[column]) is not None:
                code += [_instruction(_JUMP_IF_EQUAL, number, 0, 1), _refuse(error)]
    code += _argument(_CLONE[machine], 0, [(_JUMP_IF_ANY, _NEW_NAMESPACES_OR_UNTRACED)], errno.EPERM)
    code += _argument(_IOCTL[machine], 1, [(_JUMP_IF_EQUAL, _TIOCSTI), (_JUMP_IF_EQUAL, _TIOCLINUX)], errno.EPERM)
    filters = [(_JUMP_IF_EQUAL, _PR_SET_SECCOMP), (_JUMP_IF_EQUAL, _PR_SET_SYSCALL_USER_DISPATCH)]
    code += _argument(_PRCTL[machine], 0, filters, errno.EPERM)
    code += _argument(_FCNTL[machine], 1, [(_JUMP_IF_EQUAL, command) for command in _LOCKS], errno.ENOLCK)
    for call in (_SOCKET, _SOCKETPAIR):
        code += _when(call[machine], _families(netlink=administers))
    code += _when(_SETSOCKOPT[machine], _no_foreign_addresses())
    code += _when(_MMAP[machine], _no_large_shared_mappings())
    return b"".join([*code, _instruction(_RETURN, _ALLOW)])


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)


def _refuse(number: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | number)


def _load(position: int, *, high: bool = False) -> bytes:
    """Load the low half of an argument, or the high one."""
    return _instruction(_LOAD, 16 + 8 * position + 4 * high)


def _when(number: int, body: list[bytes]) -> list[bytes]:
    """Run instructions for one call alone; behind them the call's number is loaded again."""
    return [_instruction(_JUMP_IF_EQUAL, number, 0, len(body) + 1), *body, _instruction(_LOAD, _NUMBER)]


def _argument(number: int, position: int, tests: list[tuple[int, int]], refusal: int) -> list[bytes]:
    """Refuse a call where the low half of one argument fits a test."""
    body = [_load(position)]
    for code, value in tests:
        body += [_instruction(code, value, 0, 1), _refuse(refusal)]
    return _when(number, body)


def _families(*, netlink: bool) -> list[bytes]:
    """Allow the sockets that are listed here alone: those of netlink, or what asks it for routes and sockets."""
    families = (*_FAMILIES, _AF_NETLINK) if netlink else _FAMILIES
    others = [
        _instruction(_JUMP_IF_EQUAL, _AF_NETLINK, 1, 0),
        _refuse(errno.EAFNOSUPPORT),
        _load(2),
        _instruction(_JUMP_IF_EQUAL, _NETLINK_ROUTE, 2, 0),
        _instruction(_JUMP_IF_EQUAL, _NETLINK_SOCK_DIAG, 1, 0),
        _refuse(errno.EPROTONOSUPPORT),
    ]
    behind = range(len(others) + len(families) - 1, len(others) - 1, -1)
    allowed = [_instruction(_JUMP_IF_EQUAL, family, jump, 0) for family, jump in zip(families, behind, strict=True)]
    return [_load(0), *allowed, *others]


def _no_foreign_addresses() -> list[bytes]:
    body: list[bytes] = []
    for level, option in _FREEBIND:
        body += [_load(1), _instruction(_JUMP_IF_EQUAL, level, 0, 3)]
        body += [_load(2), _instruction(_JUMP_IF_EQUAL, option, 0, 1), _refuse(errno.EPERM)]
    return body


def _no_large_shared_mappings() -> list[bytes]:
    return [
        _load(3),
        _instruction(_AND, _MAP_TYPE),
        _instruction(_JUMP_IF_EQUAL, _MAP_SHARED, 1, 0),
        _instruction(_JUMP_IF_EQUAL, _MAP_SHARED_VALIDATE, 0, 5),
        _load(1, high=True),
        _instruction(_JUMP_IF_EQUAL, 0, 0, 2),
        _load(1),
        _instruction(_JUMP_IF_GREATER, SHARED_MAPPING, 0, 1),
        _refuse(errno.ENOMEM),
    ]

"""The filter of system calls, run here instruction by instruction as the kernel would."""

import errno
import struct
from functools import cache

import pytest

from lab.runtime.netns import seccomp

ALLOWED = 0
ARCHITECTURES = {"x86_64": 0xC000_003E, "aarch64": 0xC000_00B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
MMAP = {"x86_64": 9, "aarch64": 222}
SETSOCKOPT = {"x86_64": 54, "aarch64": 208}
FCNTL = {"x86_64": 72, "aarch64": 25}
CLONE = {"x86_64": 56, "aarch64": 220}
OPENAT = {"x86_64": 257, "aarch64": 56}
MEMFD = {"x86_64": 319, "aarch64": 279}


@cache
def instructions(machine: str, administers: bool) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("<HBBI", seccomp.program(machine, administers=administers)))


def answer(
    machine: str, number: int, *arguments: int, architecture: int | None = None, administers: bool = False
) -> int:
    """The errno with which a call is refused, 0 where it is allowed; classic BPF as in linux/filter.h."""
    given = [each & (1 << 64) - 1 for each in (*arguments, *[0] * (6 - len(arguments)))]
    data = struct.pack("<IIQ6Q", number, architecture or ARCHITECTURES[machine], 0, *given)
    code = instructions(machine, administers)
    value, at = 0, 0
    while True:
        what, if_true, if_false, constant = code[at]
        at += 1
        if what == 0x20:
            (value,) = struct.unpack_from("<I", data, constant)
        elif what == 0x54:
            value &= constant
        elif what == 0x06:
            return constant & 0xFFFF if constant >> 16 == 0x0005 else ALLOWED
        else:
            holds = {0x15: value == constant, 0x25: value > constant, 0x45: value & constant != 0}[what]
            at += if_true if holds else if_false


@pytest.fixture(params=ARCHITECTURES)
def machine(request):
    return request.param


def test_usual_calls_are_allowed(machine):
    assert answer(machine, OPENAT[machine], 3) == ALLOWED
    assert answer(machine, CLONE[machine], 0x11) == ALLOWED
    assert answer(machine, FCNTL[machine], 3, 4) == ALLOWED
    assert answer(machine, SETSOCKOPT[machine], 3, 1, 15) == ALLOWED  # SO_REUSEPORT has IP_FREEBIND's number
    assert answer(machine, SETSOCKOPT[machine], 3, 6, 15) == ALLOWED


def test_another_architecture_has_no_calls(machine):
    assert answer(machine, OPENAT[machine], architecture=0x4000_0003) == errno.ENOSYS
    assert answer(machine, OPENAT[machine] | 0x4000_0000) == errno.ENOSYS


@pytest.mark.parametrize("family", range(64))
def test_families_are_those_of_a_list(family, machine):
    for calls in (SOCKET, SOCKETPAIR):
        expected = ALLOWED if family in (1, 2, 10, 16, 17) else errno.EAFNOSUPPORT
        assert answer(machine, calls[machine], family, 2, 0) == expected
        assert answer(machine, calls[machine], family, 2, 0, administers=True) == expected


@pytest.mark.parametrize("protocol", range(32))
def test_netlink_is_for_routes_and_sockets(protocol, machine):
    expected = ALLOWED if protocol in (0, 4) else errno.EPROTONOSUPPORT
    assert answer(machine, SOCKET[machine], 16, 3, protocol) == expected
    assert answer(machine, SOCKET[machine], 2, 3, protocol) == ALLOWED
    assert answer(machine, SOCKET[machine], 16, 3, protocol, administers=True) == ALLOWED


@pytest.mark.parametrize(
    ("flags", "size", "expected"),
    [
        (0x22, 1 << 40, ALLOWED),  # private and anonymous: counted by RLIMIT_DATA
        (0x02, 1 << 30, ALLOWED),
        (0x21, 16 << 20, ALLOWED),
        (0x21, (16 << 20) + 1, errno.ENOMEM),
        (0x01, 1 << 31, errno.ENOMEM),
        (0x03, 1 << 31, errno.ENOMEM),
        (0x21, 1 << 32, errno.ENOMEM),  # whose low half is 0
    ],
)
def test_shared_mappings_are_small(flags, size, expected, machine):
    assert answer(machine, MMAP[machine], 0, size, 3, flags, -1, 0) == expected


def test_no_address_of_another_node(machine):
    assert answer(machine, SETSOCKOPT[machine], 3, 0, 15) == errno.EPERM
    assert answer(machine, SETSOCKOPT[machine], 3, 41, 78) == errno.EPERM
    assert answer(machine, SETSOCKOPT[machine], 3, 41, 26) == ALLOWED


def test_no_locks_on_files_that_all_sandboxes_share(machine):
    for command in (5, 6, 7, 36, 37, 38, 1024, 1026):
        assert answer(machine, FCNTL[machine], 3, command) == errno.ENOLCK


def test_no_namespaces_and_no_untraced_children(machine):
    for flag in (0x1000_0000, 0x4000_0000, 0x2_0000, 0x2000_0000, 0x0080_0000):
        assert answer(machine, CLONE[machine], flag | 17) == errno.EPERM
    assert answer(machine, 435) == errno.ENOSYS
    assert answer(machine, MEMFD[machine], 0) == errno.ENOSYS


def test_an_unknown_architecture_is_refused():
    with pytest.raises(OSError, match="riscv64"):
        seccomp.program("riscv64")

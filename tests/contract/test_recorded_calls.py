"""System calls of a step, recorded from outside its sandbox."""

from __future__ import annotations

import errno
import platform
from collections.abc import Callable

import pytest

from lab.plan import Plan
from lab.runtime.base import LiveLab
from tests.contract.conftest import run
from tests.contract.test_programs import PAIR

Up = Callable[[str | Plan], LiveLab]

RECORD = 1 << 20


def recorded(lab: LiveLab, *argv: str, record: int = RECORD) -> str:
    process = run(lab, "a", *argv, record=record)
    assert process.calls is not None
    return process.calls.data.decode()


def test_every_call_of_a_program_and_of_its_children_is_recorded(up: Up) -> None:
    text = recorded(up(PAIR), "sh", "-c", "cat /dev/null; (exec true); exit 3")
    assert 'execve("/usr/bin/cat"' in text
    assert 'execve("/usr/bin/true"' in text
    assert "+++ exited with 3 +++" in text
    assert text.index('execve("/usr/bin/sh"') < text.index('execve("/usr/bin/cat"')


def test_nothing_is_recorded_that_was_not_asked_for(up: Up) -> None:
    assert run(up(PAIR), "a", "true").calls is None


def test_the_exit_code_and_the_output_are_as_without(up: Up) -> None:
    process = run(up(PAIR), "a", "sh", "-c", "cat; echo error >&2; exit 7", stdin=b"text", record=RECORD)
    assert (process.exit_code, process.began) == (7, True)
    assert (bytes(process.stdout.data), bytes(process.stderr.data)) == (b"text", b"error\n")


def test_a_record_beyond_its_limit_is_cut_and_counted(up: Up) -> None:
    code = "import os\nfor _ in range(3000): os.close(os.dup(1))"
    process = run(up(PAIR), "a", "python3", "-c", code, record=20_000)
    assert process.calls is not None
    assert len(process.calls.data) == 20_000
    assert process.calls.lost > 100_000
    assert process.exit_code == 0


FORGERIES = {
    "a filter of its own": "libc.prctl(22, 2, buffer, 0, 0)",
    "a filter of its own, by its own call": "libc.syscall(317, 1, 0, buffer)",
    "calls handed to itself": "libc.prctl(59, 1, 0, 0, buffer)",
    "an untraced child": "libc.syscall(56, 0x00800000 | 17, 0, 0, 0, 0)",
    "io_uring": "libc.syscall(425, 1, buffer)",
    "being traced by its parent": "libc.ptrace(0, 0, 0, 0)",
}


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the numbers are x86_64's")
@pytest.mark.parametrize("way", FORGERIES.values(), ids=FORGERIES)
def test_ways_around_the_record_are_refused(up: Up, way: str) -> None:
    code = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\nbuffer = ctypes.create_string_buffer(256)\n"
        f"print({way}, ctypes.get_errno())"
    )
    process = run(up(PAIR), "a", "python3", "-c", code, record=RECORD)
    assert process.stdout.data == f"-1 {errno.EPERM}\n".encode(), process.stderr.data


def test_a_program_cannot_see_that_it_is_recorded(up: Up) -> None:
    code = "print(open('/proc/self/status').read().split('TracerPid:')[1].split()[0])"
    assert run(up(PAIR), "a", "python3", "-c", code, record=RECORD).stdout.data == b"0\n"

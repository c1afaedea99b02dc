"""Records of system calls, read."""

from __future__ import annotations

import pytest

from lab.trace.calls import Calls, parse_calls

BEGIN = '7 1.000001 execve("/usr/bin/python3", ["python3", "a.py"], 0x7ff /* 9 vars */) = 0\n'


def read(*lines: str, begin: str = BEGIN) -> Calls:
    return parse_calls(begin + "".join(f"{line}\n" for line in lines))


def test_a_call_has_its_arguments_result_and_time() -> None:
    _, call = read('7     1795696059.416759 bind(3, {sa_family=AF_INET, sin_port=htons(80)}, 16) = 0').calls
    assert (call.name, call.arguments) == ("bind", ("3", "{sa_family=AF_INET, sin_port=htons(80)}", "16"))
    assert (call.process, call.thread, call.result, call.error) == (7, 7, 0, "")
    assert call.time == 1795696059416759000


def test_an_error_is_told_by_its_name() -> None:
    _, call = read("7 1.2 close(9) = 0", "7 1.000002 close(9)        = -1 EBADF (Bad file descriptor)").calls
    assert (call.result, call.error) == (-1, "EBADF")


def test_what_stands_in_a_string_is_no_argument() -> None:
    said = r'7 1.000002 write(1, "a\", b) = 3 <unfinished ...>", 22) = 22'
    _, call = read(said).calls
    assert call.arguments == ("1", r'"a\", b) = 3 <unfinished ...>"', "22")
    assert call.result == 22


def test_an_unfinished_call_is_joined() -> None:
    _, accept, close = read(
        "7 1.000002 accept4(3,  <unfinished ...>",
        "8 1.000003 read(0, 0x7f, 1) = 0",
        "7 1.000004 <... accept4 resumed>{sa_family=AF_INET}, [16], 0) = 4",
        "7 1.000005 close(4) = 0",
    ).calls
    assert (accept.arguments, accept.result) == (("3", "{sa_family=AF_INET}", "[16]", "0"), 4)
    assert (accept.began, accept.ended) == (2, 4)
    assert close.began == 5


@pytest.mark.parametrize("end", ["", ") = ?"])
def test_a_call_that_never_returned_has_no_result(end: str) -> None:
    record = read(f"7 1.000002 accept4(3,  <unfinished ...>{end}", "7 1.000003 +++ killed by SIGKILL +++")
    assert record.calls[-1].result is None
    assert record.calls[-1].arguments == ("3",)
    assert [(each.process, each.how) for each in record.endings] == [(7, "killed by SIGKILL")]


def test_threads_belong_to_their_process_and_children_are_processes() -> None:
    record = read(
        "7 1.000002 clone(child_stack=0x7f, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD) = 3 /* 8 in strace's PID NS */",
        "8 1.000003 close(5) = 0",
        "8 1.000004 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD <unfinished ...>",
        "9 1.000005 close(6) = 0",
        "8 1.000006 <... clone resumed>, child_tidptr=0x7f) = 9",
        "8 1.000007 +++ exited with 0 +++",
        "9 1.000008 +++ exited with 1 +++",
    )
    assert {call.thread: call.process for call in record.calls} == {7: 7, 8: 7, 9: 9}
    assert [each.process for each in record.endings] == [9]  # a thread's end is no process's


def test_the_sandbox_is_no_part_of_the_program() -> None:
    sandbox = (
        "4 0.000001 socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 3\n"
        '7 0.000002 execve("/usr/local/bin/prlimit", ["prlimit", "--nproc=9:9", "--", "x"], 0x7) = -1 ENOENT (No)\n'
        '7 0.000003 execve("/usr/bin/prlimit", ["prlimit", "--nproc=9:9", "--", "x"], 0x7 /* 1 var */) = 0\n'
        "7 0.000004 close(3) = 0\n"
    )
    record = read("7 1.000002 close(5) = 0", "4 1.000003 close(6) = 0", begin=sandbox + BEGIN)
    assert [call.name for call in record.calls] == ["execve", "close"]


@pytest.mark.parametrize("text", ["", "lab: no strace\n", "7 1.0 close(", "\0\xff", BEGIN[:40], "7 1.000001 (\n"])
def test_what_is_no_record_gives_no_calls(text: str) -> None:
    assert parse_calls(text).calls == ()

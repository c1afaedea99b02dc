"""Sockets and their descriptors, out of system calls."""

from __future__ import annotations

import random
import sys
from types import FrameType

import pytest

from lab.trace import descriptors
from lab.trace.calls import parse_calls
from lab.trace.descriptors import Socket, sockets_of

ANY = '{sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("0.0.0.0")}'
FORK = "clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 8"


def sockets(*calls: str, end: bool = True) -> tuple[Socket, ...]:
    """The sockets of a record: each line a call of process 7, or of another that it begins with ("8: close(3) = 0")."""
    lines = ['7 1.000001 execve("/bin/x", ["x"], 0x7) = 0']
    for number, text in enumerate((*calls, *(["+++ exited with 0 +++"] if end else [])), 2):
        process, colon, call = text.partition(": ")
        lines.append(f"{process if colon and process.isdigit() else 7} 1.{number:06} {call if colon else text}")
    return sockets_of(parse_calls("\n".join(lines) + "\n"))


def told(socket: Socket) -> list[str]:
    return [str(use) for use in socket.uses]


def test_a_server_and_its_connection() -> None:
    listening, accepted = sockets(
        "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3",
        f"bind(3, {ANY}, 16) = 0",
        "listen(3, 128) = 0",
        'accept4(3, {sa_family=AF_INET, sin_port=htons(4), sin_addr=inet_addr("10.0.1.10")}, [16], SOCK_CLOEXEC) = 4',
        'read(4, "x", 10) = 1',
        'write(4, "xy", 2) = 2',
        "close(4) = 0",
        "close(3) = 0",
    )
    assert told(listening) == [
        "socket(AF_INET, SOCK_STREAM) = 3", "bind(3, 0.0.0.0:7000)", "listen(3)", "accept(3) = 4", "close(3)"
    ]  # fmt: skip
    assert told(accepted) == ["recv(4) 1 B", "send(4) 2 B", "close(4)"]
    assert (accepted.parent, accepted.type, listening.listens, listening.ports) == (0, "SOCK_STREAM", True, [7000])
    assert listening.left == accepted.left == ()


def test_the_end_of_a_program_is_no_close() -> None:
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3")
    assert [(each.descriptor, each.how) for each in socket.left] == [(3, "exited with 0")]
    assert told(socket) == ["socket(AF_INET, SOCK_STREAM) = 3"]


def test_other_descriptors_do_not_matter() -> None:
    assert sockets('openat(AT_FDCWD, "x", O_RDONLY) = 3', 'read(3, "x", 1) = 1', "close(3) = 0") == ()


def test_a_number_is_given_out_again() -> None:
    first, second = sockets(
        "socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3", "close(3) = 0", "socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 3",
        'write(3, "x", 1) = 1', "close(3) = 0",
    )  # fmt: skip
    assert told(first)[1:] == ["close(3)"]
    assert told(second)[1:] == ["send(3) 1 B", "close(3)"]


def test_a_call_on_a_closed_descriptor_is_told_of_the_socket_that_had_it() -> None:
    (socket,) = sockets(
        "socket(AF_INET, SOCK_STREAM, IPPROTO_IP) = 3", "close(3) = 0",
        'sendto(3, "x", 1, 0, NULL, 0) = -1 EBADF (Bad file descriptor)',
        "close(3) = -1 EBADF (Bad file descriptor)",
    )  # fmt: skip
    assert told(socket)[1:] == ["close(3)", "send(3) = EBADF", "close(3) = EBADF"]


def test_a_long_record_takes_time_in_proportion() -> None:
    connect = f"connect(3, {ANY}, 16) = -1 EINPROGRESS (Operation now in progress)"
    told_of = "getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0"
    calls = {
        "stale": (["socket(AF_INET, SOCK_STREAM, 0) = 3", "close(3) = 0"], ["close(99) = -1 EBADF (x)"] * 2),
        "under way": (["socket(AF_INET, SOCK_STREAM, 0) = 3"], [connect, told_of]),
    }

    def steps(before: list[str], then: list[str], times: int) -> int:
        """How many lines of our own code run for so many calls."""
        counted = 0

        def count(frame: FrameType, event: str, _: object) -> object:
            nonlocal counted
            counted += event == "line" and frame.f_code.co_filename == descriptors.__file__
            return count

        record = [*before * times, *then * times]
        earlier = sys.gettrace()
        sys.settrace(count)
        try:
            sockets(*record)
        finally:
            sys.settrace(earlier)
        return counted

    for before, then in calls.values():
        assert steps(before, then, 400) < 2.5 * steps(before, then, 200)


def test_what_a_child_only_inherits_it_need_not_close() -> None:
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", FORK, "8: +++ exited with 0 +++", "close(3) = 0")
    assert socket.left == ()
    assert told(socket)[-1] == "close(3)"


def test_what_a_child_uses_it_has_to_close() -> None:
    (socket,) = sockets(
        "socket(AF_INET, SOCK_STREAM, 0) = 3", FORK, "close(3) = 0", '8: write(3, "x", 1) = 1',
        "8: +++ exited with 0 +++",
    )  # fmt: skip
    assert [each.process for each in socket.left] == [8]
    assert "close(3)" not in told(socket)  # the parent's was not the last descriptor


def test_a_duplicate_keeps_a_socket_open() -> None:
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", "dup(3) = 5", "close(3) = 0", 'read(5, "", 9) = 0',
                        "close(5) = 0")  # fmt: skip
    assert told(socket)[1:] == ["recv(5) 0 B", "close(5)"]
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", "fcntl(3, F_DUPFD_CLOEXEC, 0) = 5", "close(3) = 0")
    assert [each.descriptor for each in socket.left] == [5]


def test_dup2_and_close_range_close() -> None:
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", "dup2(1, 3) = 3")
    assert told(socket)[-1] == "close(3)"
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", "close_range(3, ~0U, 0) = 0")
    assert told(socket)[-1] == "close(3)"


def test_a_close_in_a_thread_comes_before_the_next_socket_of_its_number() -> None:
    thread = "clone(child_stack=0x7, flags=CLONE_VM|CLONE_FILES|CLONE_THREAD) = 8"
    first, second = sockets(
        "socket(AF_INET, SOCK_STREAM, 0) = 3", thread, "8: close(3 <unfinished ...>",
        "socket(AF_INET, SOCK_STREAM, 0) = 3", "8: <... close resumed>) = 0", "8: +++ exited with 0 +++",
    )  # fmt: skip
    assert told(first)[-1] == "close(3)"
    assert [each.descriptor for each in second.left] == [3]


def test_what_became_of_a_connect_under_way() -> None:
    there = '{sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("10.0.2.80")}'
    begun = ("socket(AF_INET, SOCK_STREAM, 0) = 3", f"connect(3, {there}, 16) = -1 EINPROGRESS (In progress)")
    (socket,) = sockets(*begun, "getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0")
    assert socket.uses[1].done
    (socket,) = sockets(*begun, "getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0")
    assert str(socket.uses[1]) == "connect(3, 10.0.2.80:7000) = ECONNREFUSED"


def test_what_exec_closes_was_not_left_open() -> None:
    exec_ = 'execve("/bin/y", ["y"], 0x7) = 0'
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3", exec_)
    assert socket.left == ()
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", exec_)
    assert len(socket.left) == 1


@pytest.mark.parametrize(
    ("marks", "left"),
    [
        (("ioctl(3, FIOCLEX) = 0",), 0),
        (("ioctl(3, FIOCLEX) = 0", "ioctl(3, FIONCLEX) = 0"), 1),
        (("fcntl(3, F_SETFD, FD_CLOEXEC) = 0",), 0),
        (("fcntl(3, F_SETFD, FD_CLOEXEC) = 0", "fcntl(3, F_SETFD, 0) = 0"), 1),
        (("close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) = 0",), 0),
        (("fcntl(3, F_DUPFD_CLOEXEC, 0) = 5", "close(3) = 0"), 0),
        (("dup3(3, 5, O_CLOEXEC) = 5", "close(3) = 0"), 0),
        (("dup2(3, 5) = 5", "close(3) = 0"), 1),
    ],
)
def test_what_is_marked_is_closed_by_exec(marks: tuple[str, ...], left: int) -> None:
    for exec_ in ('execve("/bin/y", ["y"], 0x7) = 0', 'execveat(9, "", ["y"], 0x7, AT_EMPTY_PATH) = 0'):
        (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", *marks, exec_)
        assert len(socket.left) == left
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM, 0) = 3", *marks, 'execve("/no", ["y"], 0x7) = -1 ENOENT (No)')
    assert len(socket.left) == 1


EXEC = 'execve("/bin/y", ["y"], 0x7) = 0'
KEPT = ("socket(AF_INET, SOCK_STREAM, 0) = 3", EXEC)


@pytest.mark.parametrize(
    ("calls", "left"),
    [
        (KEPT, ["replaced"]),  # the first program's: the second knows nothing of it
        ((*KEPT, EXEC), ["replaced"]),
        ((*KEPT, "close(3) = 0"), []),
        ((*KEPT, 'read(3, "x", 1) = 1'), ["exited with 0"]),  # the second program's, for it took it over
        ((*KEPT, 'read(3, "x", 1) = 1', "close(3) = 0"), []),
        ((*KEPT, FORK, "8: +++ exited with 0 +++", "close(3) = 0"), []),
        (("socket(AF_INET, SOCK_STREAM, 0) = 3", FORK, f"8: {EXEC}", "8: +++ exited with 0 +++", "close(3) = 0"), []),
        (("socket(AF_INET, SOCK_STREAM, 0) = 3", "dup2(3, 0) = 0", "close(3) = 0", EXEC, 'read(0, "x", 1) = 1'), []),
        (("socket(AF_INET, SOCK_STREAM, 0) = 3", "dup2(3, 0) = 0", "close(3) = 0"), ["exited with 0"]),
        (("socket(AF_INET, SOCK_STREAM, 0) = 3", "dup2(3, 0) = 0", EXEC), ["replaced"]),
    ],
)
def test_what_exec_hands_over(calls: tuple[str, ...], left: list[str]) -> None:
    (socket,) = sockets(*calls)
    assert [each.how for each in socket.left] == left


def test_a_program_started_as_by_inetd_closes_its_connection_by_its_end() -> None:
    listening, accepted = sockets(
        "socket(AF_INET, SOCK_STREAM, 0) = 3", "listen(3, 5) = 0", "accept(3, NULL, NULL) = 4", FORK, "close(4) = 0",
        "8: dup2(4, 0) = 0", "8: dup2(4, 1) = 1", "8: close(4) = 0", "8: close(3) = 0", f"8: {EXEC}",
        '8: read(0, "x", 9) = 1', "8: clone(flags=SIGCHLD) = 9", '9: write(1, "x", 1) = 1', "9: +++ exited with 0 +++",
        "8: +++ exited with 0 +++", "close(3) = 0",
    )  # fmt: skip
    assert (listening.left, accepted.left) == ((), ())
    assert told(accepted) == ["recv(0) 1 B", "send(1) 1 B", "close(4)"]
    assert told(listening)[-1] == "close(3)"


@pytest.mark.parametrize("end", ["8: +++ exited with 0 +++", f"8: {EXEC}"])
def test_a_close_counts_once_a_child_that_only_inherited_has_let_go(end: str) -> None:
    made = "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3"
    (socket,) = sockets(made, FORK, "close(3) = 0", end)
    assert told(socket)[1:] == ["close(3)"]
    (socket,) = sockets(made, FORK, end)
    assert (told(socket)[1:], len(socket.left)) == ([], 1)
    (socket,) = sockets(made, FORK, "close(3) = 0", "8: +++ killed by SIGKILL +++")
    assert told(socket)[1:] == []  # it was open for as long as the child lived


def test_exec_closes_what_is_marked() -> None:
    (socket,) = sockets("socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3", EXEC)
    assert told(socket)[1:] == ["close(3)"]


def test_a_refused_socket_has_no_descriptor() -> None:
    (socket,) = sockets("socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) = -1 EPERM (Operation not permitted)")
    assert (socket.descriptor, told(socket)) == (-1, ["socket(AF_INET, SOCK_RAW) = EPERM"])


def test_both_ends_of_a_pair() -> None:
    one, other = sockets("socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4]) = 0", "close(3) = 0", "close(4) = 0")
    assert (one.descriptor, other.descriptor) == (3, 4)
    assert told(other)[-1] == "close(4)"


WHOLE = """\
7 1.000001 execve("/bin/x", ["x"], 0x7) = 0
7 1.000002 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3
7 1.000003 connect(3, {sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("10.0.2.80")}, 16) = -1 EINPROGRESS
7 1.000004 getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = 0
7 1.000005 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD) = 2 /* 8 in strace's PID NS */
8 1.000006 dup2(3, 5 <unfinished ...>
7 1.000007 sendto(3, "a\\"b", 3, 0, NULL, 0) = 3
8 1.000008 <... dup2 resumed>) = 5
8 1.000009 close_range(3, ~0U, 0) = 0
8 1.000010 +++ exited with 0 +++
7 1.000011 fcntl(3, F_DUPFD_CLOEXEC, 0) = 4
7 1.000012 accept4(4, {sa_family=AF_INET6, inet_pton(AF_INET6, "::1", &sin6_addr)}, [16], 0) = 6
7 1.000013 socketpair(AF_UNIX, SOCK_STREAM, 0, [7, 8]) = 0
7 1.000014 splice(3, NULL, 6, NULL, 9, 0) = 9
7 1.000015 close(3) = 0
7 1.000016 +++ killed by SIGKILL +++
"""


def test_a_damaged_record_raises_nothing() -> None:
    chance = random.Random(20)
    for _ in range(3000):
        text = list(WHOLE)
        for _ in range(chance.randrange(1, 30)):
            at = chance.randrange(len(text))
            text[at : at + chance.randrange(12)] = chance.choice(["", "\n", ",", ")", '"', "\\", "-1", "9" * 12, " "])
        for socket in sockets_of(parse_calls("".join(text))):
            assert all(str(use) for use in socket.uses)
            assert all(port >= 0 for port in socket.ports)

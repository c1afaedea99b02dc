"""The check sockets, on records of system calls."""

from __future__ import annotations

from typing import Any

import pytest

from lab.checks.base import Outcome, Verdict
from lab.checks.failures import Failure, FailureText
from lab.checks.output import Output
from lab.checks.sockets import Sockets
from lab.evidence import Gap, calls_of
from lab.grammar import Context
from tests.unit.doctored import STEPS, clean, result

PASSED, FAILED, NOT_MEASURED = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED
STREAM = "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3"
BIND = 'bind(3, {sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("0.0.0.0")}, 16) = 0'
LISTEN = "listen(3, 128) = 0"
ACCEPT = "accept4(3, {sa_family=AF_INET}, [16], SOCK_CLOEXEC) = 4"
RECV, SEND = 'recvfrom(4, "x", 4096, 0, NULL, NULL) = 1', 'sendto(4, "x", 1, 0, NULL, 0) = 1'
CLOSE, END = "close(4) = 0", "close(3) = 0"
SERVER = (STREAM, BIND, LISTEN, ACCEPT, RECV, SEND, CLOSE, END)
ORDER = ("socket", "bind", "listen", "accept", "recv", "send", "close")
CONNECT = 'connect(3, {sa_family=AF_INET, sin_port=htons(7000), sin_addr=inet_addr("10.0.2.80")}, 16) = 0'


def record(*calls: str, end: str = "+++ exited with 0 +++") -> bytes:
    lines = ['7 1.000001 execve("/usr/bin/python3", ["python3", "server.py"], 0x7) = 0']
    for number, text in enumerate((*calls, end), 2):
        process, colon, call = text.partition(": ")
        lines.append(f"{process if colon and process.isdigit() else 7} 1.{number:06} {call if colon else text}")
    return ("\n".join(lines) + "\n").encode()


def judge(check: Sockets, *calls: str, end: str = "+++ exited with 0 +++", **changes: Any) -> Verdict:
    text = None if calls == ("nothing recorded",) else record(*calls, end=end)
    gaps = changes.pop("gaps", ())
    return check.judge(clean().evidence(check, steps=result("server", **{"calls": text} | changes), gaps=gaps))


def order(*names: str, **more: Any) -> Sockets:
    return Sockets(step="server", calls=names or ORDER, **more)


def crashed(error: str) -> dict[str, Any]:
    """The end of a program by an exception."""
    told = f'Traceback (most recent call last):\n  File "/work/server.py", line 3, in <module>\n{error}\n'
    return {"end": "+++ exited with 1 +++", "ended": "exited", "exit_code": 1, "stderr": told.encode()}


def refused(call: str, error: str) -> str:
    return f"{call.rpartition(' = ')[0]} = -1 {error} (said in words)"


def test_a_server_in_order_passes() -> None:
    verdict = judge(order(port=7000, descriptor=3, closed="all"), *SERVER)
    assert verdict.outcome is PASSED
    assert verdict.seen.startswith("socket(AF_INET, SOCK_STREAM) = 3, bind(3, 0.0.0.0:7000), listen(3), accept(3) = 4")
    assert "line 2 of steps/server.calls" in verdict.seen


IN_ORDER = {
    "read and write": (STREAM, BIND, LISTEN, ACCEPT, 'read(4, "x", 9) = 1', 'write(4, "x", 1) = 1', CLOSE, END),
    "the listening socket closed first": (STREAM, BIND, LISTEN, ACCEPT, END, RECV, SEND, CLOSE),
    "a second client": (*SERVER[:-1], ACCEPT, RECV, SEND, CLOSE, END),
    "a first client that says nothing": (STREAM, BIND, LISTEN, ACCEPT, CLOSE, ACCEPT, RECV, SEND, CLOSE, END),
    "what would have to wait": (*SERVER[:3], refused(ACCEPT, "EAGAIN"), ACCEPT, refused(RECV, "EINTR"), *SERVER[4:]),
    "an error afterwards": (*SERVER[:-1], refused(ACCEPT, "EINVAL"), END),
    "a child for each client": (*SERVER[:4], "clone(flags=SIGCHLD) = 8", CLOSE, f"8: {RECV}", f"8: {SEND}",
                                f"8: {CLOSE}", "8: +++ exited with 0 +++", END),
    "another socket's trouble": (STREAM, refused(BIND, "EINVAL"), "close(3) = 0", *SERVER),
    "the C library's sockets": ("socket(AF_UNIX, SOCK_STREAM, 0) = 3",
                                'connect(3, {sa_family=AF_UNIX, sun_path="/run/nscd/socket"}, 9) = -1 ENOENT (No)',
                                "close(3) = 0", *SERVER),
}  # fmt: skip


@pytest.mark.parametrize("calls", IN_ORDER.values(), ids=IN_ORDER)
def test_right_in_an_odd_way_passes(calls: tuple[str, ...]) -> None:
    verdict = judge(order(), *calls)
    assert verdict.outcome is PASSED, verdict.seen


ASK = (STREAM, refused(CONNECT, "EINPROGRESS"), refused(CONNECT, "EALREADY"))
TOLD = refused(CONNECT, "EISCONN")
SENT = 'sendto(3, "x", 1, 0, NULL, 0) = 1'


@pytest.mark.parametrize(
    "calls",
    [
        (*ASK, TOLD, SENT, END),
        (STREAM, refused(CONNECT, "EINPROGRESS"), TOLD, SENT, END),
        (STREAM, refused(CONNECT, "EINTR"), TOLD, SENT, END),
    ],
)
def test_a_connect_asked_again_until_it_is_connected_succeeded(calls: tuple[str, ...]) -> None:
    verdict = judge(order("socket", "connect", "send", "close"), *calls)
    assert verdict.outcome is PASSED, verdict.seen


@pytest.mark.parametrize(
    ("error", "ready", "timed"),
    [("ECONNREFUSED", True, False), ("ECONNREFUSED", False, True), ("ETIMEDOUT", True, True)],
)
def test_a_peer_that_was_late_rests_on_time(error: str, ready: bool, timed: bool) -> None:
    verdict = judge(order("socket", "connect"), STREAM, refused(CONNECT, error), END, ready=ready)
    assert (verdict.outcome, verdict.timed) == (FAILED, timed)


def test_a_connect_asked_again_that_is_refused_failed() -> None:
    verdict = judge(order("socket", "connect", "send"), *ASK, refused(CONNECT, "ECONNREFUSED"), END)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "peer-failed")


OTHER = CONNECT.replace("htons(7000)", "htons(7001)")
WRONG = {
    "accept before listen": ((STREAM, BIND, refused(ACCEPT, "EINVAL"), END), "wrong-order", "accept() before listen()"),
    "connect on a listening socket": ((STREAM, BIND, LISTEN, refused(CONNECT, "EISCONN"), END), "wrong-order",
                                      "connect() on a listening socket"),
    "connect once connected": ((STREAM, CONNECT, TOLD, END), "wrong-order", "on a socket that is connected already"),
    "connect once more": ((*ASK, TOLD, TOLD, END), "wrong-order", "on a socket that is connected already"),
    "bind after listen": ((STREAM, LISTEN, refused(BIND, "EINVAL"), END), "wrong-order", "bind() after listen()"),
    "send on the listening socket": ((*SERVER[:5], refused('sendto(3, "x", 1) = 1', "EPIPE"), CLOSE), "wrong-order",
                                     "send() on the listening socket"),
    "send before recv": ((*SERVER[:4], SEND, RECV, CLOSE, END), "wrong-order", "send() before recv()"),
    "close before send": ((*SERVER[:5], CLOSE, END), "wrong-order", "close() before send()"),
    "a closed descriptor": ((*SERVER[:4], CLOSE, refused(RECV, "EBADF"), END), "wrong-order",
                            "recv() on a descriptor that was closed already"),
    "an address in use": ((STREAM, refused(BIND, "EADDRINUSE"), END), "call-failed", "another socket has this address"),
    "no accept": ((STREAM, BIND, LISTEN, END), "wrong-order", "close() before accept()"),
    "no close": ((*SERVER[:6],), "not-closed", "descriptor 4 was never closed"),
    "no listen": ((STREAM, BIND), "missing-call", "listen() was never called"),
    "datagrams": (("socket(AF_INET, SOCK_DGRAM, 0) = 3", BIND, 'recvfrom(3, "x", 9) = 1', "close(3) = 0"),
                  "wrong-socket", "it called socket(AF_INET, SOCK_DGRAM)"),
    "no socket": (('openat(AT_FDCWD, "x", O_RDONLY) = 3', 'read(3, "x", 1) = 1', END), "not-tried", "no socket at all"),
    "nothing": ((), "not-tried", "no socket at all"),
}  # fmt: skip


@pytest.mark.parametrize(("calls", "kind", "said"), WRONG.values(), ids=WRONG)
def test_a_wrong_order_is_named(calls: tuple[str, ...], kind: str, said: str) -> None:
    verdict = judge(order(), *calls, ended="exited", exit_code=0)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, kind)
    assert said in verdict.seen


def test_an_accept_that_never_returned_rests_on_time() -> None:
    verdict = judge(order(), STREAM, BIND, LISTEN, "accept4(3,  <unfinished ...>", end="+++ killed by SIGKILL +++")
    assert (verdict.outcome, verdict.timed) == (FAILED, True)
    assert "accept() never returned" in verdict.seen


def test_who_listens_on_the_loopback_address_is_told_so_where_others_might_call() -> None:
    wait = "accept4(3,  <unfinished ...>"
    local = BIND.replace("0.0.0.0", "127.0.0.1")
    verdict = judge(order(), STREAM, local, LISTEN, wait, end="+++ killed by SIGKILL +++", ended="killed")
    assert verdict.cause is not None
    assert verdict.cause.text == "server listened on 127.0.0.1:7000; packets arrive for 10.0.2.80"
    check = order()
    steps = {"exercise_steps": STEPS[:1], "steps": result("server", calls=record(STREAM, local, LISTEN, wait))}
    alone = check.judge(clean().evidence(check, **steps))
    assert alone.cause is not None
    assert alone.cause.kind == "never-returned"  # it may have been meant for its own machine


def test_an_answer_from_another_socket_is_no_datagram_waited_for() -> None:
    made = STREAM.replace("SOCK_STREAM", "SOCK_DGRAM")
    got, wait = 'recvfrom(3, "x", 9) = 1', "recvfrom(3,  <unfinished ...>"
    check = order("socket", "bind", "recv", "send", type="SOCK_DGRAM")
    other = (made.replace("= 3", "= 4"), 'sendto(4, "x", 1, 0, NULL, 0) = 1')
    verdict = judge(check, made, BIND, got, *other, wait, ended="killed")
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "missing-call")
    assert "send() was never called on descriptor 3" in verdict.seen
    assert judge(check, made, BIND, wait, ended="killed").seen.startswith("recv() never returned")


def test_an_exit_code_that_is_asked_for_is_no_crash() -> None:
    check = order("socket", fails=(Failure("bind", "EADDRINUSE"),))
    told = Output(step="server", exit=1)
    steps = result("server", calls=record(), ended="exited", exit_code=1)
    verdict = check.judge(clean().evidence(check, told, steps=steps))
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "not-tried")
    assert judge(check, ended="exited", exit_code=1).cause.kind == "crashed"  # type: ignore[union-attr]


def test_a_socket_without_a_port_is_a_crashs_doing_where_there_is_one() -> None:
    check = order("socket", "bind", port=7000)
    for ended, kind in ((0, "missing-call"), (1, "crashed")):
        verdict = judge(check, STREAM, END, ended="exited", exit_code=ended)
        assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, kind)


def test_the_port_is_that_of_the_socket() -> None:
    verdict = judge(order("socket", "bind", port=7001), *SERVER)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "wrong-port")
    assert "7000" in verdict.seen


def test_the_descriptor_is_the_number_that_socket_gave() -> None:
    check = order("socket", "connect", descriptor=4)
    assert judge(check, 'openat(AT_FDCWD, "x", O_RDONLY) = 3', STREAM.replace("= 3", "= 4"),
                 CONNECT.replace("(3", "(4")).outcome is PASSED  # fmt: skip
    verdict = judge(check, STREAM, CONNECT)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "wrong-descriptor")


def test_a_socket_with_which_nothing_is_done_has_no_number_that_counts() -> None:
    check = order("socket", descriptor=3)
    used = (STREAM.replace("= 3", "= 4"), CONNECT.replace("(3", "(4"), "close(4) = 0")
    assert judge(check, STREAM, END).outcome is PASSED
    assert judge(check, STREAM, END, STREAM, CONNECT, END).outcome is PASSED
    verdict = judge(check, STREAM, *used, END)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "wrong-descriptor")
    refused_too = (used[0], refused(used[1], "ECONNREFUSED"), used[2])
    assert judge(order("socket", descriptor=4), STREAM, *refused_too, END).outcome is PASSED


def test_an_error_that_is_asked_for() -> None:
    check = order("socket", port=7000, fails=(Failure("bind", "EADDRINUSE"),))
    assert judge(check, STREAM, refused(BIND, "EADDRINUSE"), END).outcome is PASSED
    verdict = judge(check, STREAM, BIND, END, ended="exited", exit_code=0)
    assert verdict.outcome is FAILED
    assert "bind() succeeded, where EADDRINUSE is asked for" in verdict.seen
    assert judge(check, STREAM, refused(BIND, "EACCES"), END, ended="exited", exit_code=0).outcome is FAILED


@pytest.mark.parametrize(
    ("call", "asked", "error", "kind", "timed"),
    [
        (BIND, "bind with EADDRINUSE", "EACCES", "call-failed", False),
        (BIND, "bind with EADDRINUSE", "EADDRNOTAVAIL", "call-failed", False),
        (CONNECT, "connect with ECONNREFUSED", "ETIMEDOUT", "peer-failed", True),
    ],
)
def test_another_error_than_the_one_that_is_asked_for_is_named(
    call: str, asked: str, error: str, kind: str, timed: bool
) -> None:
    name, _, wanted = asked.split()
    verdict = judge(order("socket", fails=(Failure(name, wanted),)), STREAM, refused(call, error), END)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind, verdict.timed) == (FAILED, kind, timed)
    assert verdict.seen.startswith(f"{name}() failed with {error}, and not with {wanted}: socket(")


def test_a_call_that_must_not_be_made_on_an_accepted_socket_either() -> None:
    shut = "shutdown(4, SHUT_WR) = 0"
    assert judge(order(never=("shutdown",)), *SERVER).outcome is PASSED
    assert judge(order(never=("shutdown",)), *SERVER[:6], shut, *SERVER[6:]).outcome is FAILED


def test_a_name_server_asked_by_the_program_itself_is_no_librarys_doing() -> None:
    ask = 'connect(3, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.2.80")}, 16) = 0'
    made = "socket(AF_INET, SOCK_DGRAM|SOCK_CLOEXEC, IPPROTO_IP) = 3"
    calls = (made, ask, 'sendto(3, "x", 1, 0, NULL, 0) = 1', 'recvfrom(3, "x", 9, 0, NULL, NULL) = 1', END)
    check = order("socket", "connect", "send", "recv", "close", type="SOCK_DGRAM")
    assert judge(check, *calls).outcome is PASSED
    assert judge(check, made.replace("SOCK_DGRAM", "SOCK_DGRAM|SOCK_NONBLOCK"), *calls[1:]).outcome is FAILED


def test_a_call_that_must_not_be_made() -> None:
    check = Sockets(step="server", calls=("socket", "connect"), never=("bind",))
    assert judge(check, STREAM, CONNECT, END).outcome is PASSED
    assert judge(check, STREAM, BIND, CONNECT, END).outcome is FAILED


@pytest.mark.parametrize("end", ["+++ exited with 0 +++", "+++ killed by SIGKILL +++"])
def test_listening_sockets_may_stay_open_where_connections_are_meant(end: str) -> None:
    assert judge(order("accept", closed="connections"), *SERVER[:-1], end=end).outcome is PASSED
    assert judge(order("accept", closed="all"), *SERVER[:-1], end=end).outcome is FAILED
    assert judge(order("accept", closed="connections"), *SERVER[:-2], end=end).outcome is FAILED


@pytest.mark.parametrize(
    ("ended", "kind"),
    [
        ({"ended": "exited", "signal": "SIGSEGV", "exit_code": None}, "crashed"),
        ({"ended": "timed out"}, "timed-out"),
        ({"ended": "exited", "exit_code": 1}, "not-closed"),
        ({"ended": "killed"}, "not-closed"),
    ],
)
def test_what_never_came_to_its_close_is_not_told_to_look_for_one(ended: dict[str, Any], kind: str) -> None:
    for check in (order(), order("accept", closed="all")):
        verdict = judge(check, *SERVER[:-2], end="+++ killed by SIGSEGV +++", **ended)
        assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, kind)
        assert "descriptor" in verdict.seen


def traceback(error: str) -> bytes:
    place = '  File "/work/server.py", line 4, in serve\n    c.sendall("x" + q)'
    return f"Exception in thread Thread-1 (serve):\nTraceback (most recent call last):\n{place}\n{error}\n".encode()


@pytest.mark.parametrize(
    ("error", "end", "kind"),
    [
        ("TypeError: can only concatenate str", {"ended": "killed"}, "crashed"),
        ("TypeError: can only concatenate str", {"ended": "exited", "exit_code": 1}, "crashed"),
        ("OSError: [Errno 9] Bad file descriptor", {"ended": "exited", "exit_code": 1}, "wrong-order"),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", {"ended": "killed"}, "wrong-order"),
    ],
)
def test_an_exception_that_made_python_close_is_told_and_not_the_close(
    error: str, end: dict[str, Any], kind: str
) -> None:
    verdict = judge(order(), *SERVER[:5], CLOSE, stderr=traceback(error), **end)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, kind)
    assert verdict.cause is not None
    assert (verdict.cause.look_at == "server.py, line 4") == (kind == "crashed")
    assert verdict.seen.startswith("send() was never called" if kind == "crashed" else "close() before send()")


def test_an_exception_in_a_thread_is_why_a_call_is_missing() -> None:
    calls = (*SERVER[:5], "accept4(3,  <unfinished ...>")
    for words, kind in ((traceback("TypeError: x"), "crashed"), (b"", "missing-call")):
        verdict = judge(order(), *calls, end="+++ killed by SIGKILL +++", ended="killed", stderr=words)
        assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, kind)
        assert verdict.seen.startswith("send() was never called; accept() waits for another client")


def test_a_descriptor_that_exec_hands_over_is_the_first_programs() -> None:
    exec_ = 'execve("/bin/cat", ["cat"], 0x7) = 0'
    kept = STREAM.replace("|SOCK_CLOEXEC", "")
    verdict = judge(order("socket", "connect", closed="all"), kept, CONNECT, exec_)
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "not-closed")
    assert "it was open, and not marked FD_CLOEXEC, when the program became another (exec)" in verdict.seen
    assert judge(order("socket", "connect", "close", closed="all"), STREAM, CONNECT, exec_).outcome is PASSED


def test_a_handler_started_as_by_inetd_passes() -> None:
    child = ("dup2(4, 0) = 0", "dup2(4, 1) = 1", CLOSE, END, 'execve("/bin/cat", ["cat"], 0x7) = 0',
             'read(0, "x", 9) = 1', 'write(1, "x", 1) = 1', "+++ exited with 0 +++")  # fmt: skip
    verdict = judge(order(closed="all"), *SERVER[:4], "clone(flags=SIGCHLD) = 8", CLOSE,
                    *(f"8: {call}" for call in child), END)  # fmt: skip
    assert verdict.outcome is PASSED, verdict.seen


def test_a_crash_explains_what_is_missing() -> None:
    verdict = judge(order(), STREAM, BIND, END, **crashed("NameError: x"))
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "crashed")
    assert "listen() was never called" in verdict.seen


def test_a_crash_for_a_closed_descriptor_does_not_explain_the_close() -> None:
    verdict = judge(order(), STREAM, BIND, END, **crashed("OSError: [Errno 9] Bad file descriptor"))
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "wrong-order")


def test_a_socket_that_another_check_asks_for_is_no_wrong_one() -> None:
    """Who never came to the next of several kinds did not take the first for it."""
    local, raw = order("socket", "connect", domain=("AF_UNIX",)), order("socket", "send", type="SOCK_RAW")
    calls = record("socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC, 0) = 3", END)
    ways: tuple[tuple[dict[str, Any], str], ...] = (({}, "not-tried"), (crashed("FileNotFoundError: x"), "crashed"))
    for more, kind in ways:
        ended = {key: value for key, value in more.items() if key != "end"} or {"ended": "exited", "exit_code": 0}
        steps = result("server", calls=calls, **ended)
        verdict = raw.judge(clean().evidence(raw, local, steps=steps))
        assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, kind)
        assert verdict.seen == "it never called socket(AF_INET, SOCK_RAW)"
        alone = raw.judge(clean().evidence(raw, steps=steps))
        assert alone.cause is not None
        assert alone.cause.kind == "wrong-socket"


def test_without_a_record_nothing_is_measured() -> None:
    assert judge(order(), "nothing recorded").outcome is NOT_MEASURED


@pytest.mark.parametrize(("owner", "outcome"), [("lab", NOT_MEASURED), ("submission", FAILED)])
def test_a_gap_in_the_record_is_named(owner: Any, outcome: Outcome) -> None:
    gap = Gap("the record breaks off", calls_of("server"), owner)
    verdict = judge(order(), *SERVER, gaps=(gap,))
    assert verdict.outcome is outcome
    assert "the record breaks off" in verdict.seen


def test_what_was_not_started_called_nothing() -> None:
    verdict = judge(order(), "nothing recorded", ended="not started", message="nothing was handed in")
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (FAILED, "not-started")


def test_a_gap_in_the_calls_spoils_nothing_else() -> None:
    from lab.checks.tcp_handshake import TcpHandshake

    check = TcpHandshake(source="client", to="server", port=7000)
    evidence = clean().evidence(check, gaps=(Gap("it breaks off", calls_of("server"), "lab"),))
    assert check.judge(evidence).outcome is PASSED


@pytest.mark.parametrize(("written", "meant"), [("EWOULDBLOCK", "EAGAIN"), ("ENOTSUP", "EOPNOTSUPP")])
def test_an_error_is_meant_by_the_name_that_a_record_has(written: str, meant: str) -> None:
    assert FailureText().parse(f"accept with {written}", Context()) == Failure("accept", meant)

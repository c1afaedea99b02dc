"""Which cause is told: of bytes that are no echo, of late answers, of datagrams, of programs, and of several causes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from doctored import PORT, STEPS, TEXT, Story, clean, result, states

from lab.checks import Output, Path, TcpClose, TcpData, causes_talk
from lab.checks.base import Cause, Outcome, Verdict
from lab.checks.depth import depth, follows, is_foreign
from lab.evidence import Mark
from lab.exercise import Step
from lab.grade import judge
from lab.trace.packets import ACK, FIN, PSH, RST, UDP, URG

ENDS = {"source": "client", "to": "server", "port": PORT}
WAY = ("client:eth0", "r1:eth0", "r1:eth1", "server:eth0")
ECHO = TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT, echo=True)


def kind(verdict: Verdict) -> str:
    assert verdict.outcome is Outcome.FAILED
    assert verdict.cause is not None
    return verdict.cause.kind


def test_an_echo_is_of_bytes_that_had_come() -> None:
    assert ECHO.judge(clean().evidence()).outcome is Outcome.PASSED


@pytest.mark.parametrize("missing", [1, len(TEXT)])
def test_bytes_that_had_not_come_are_no_echo(missing: int) -> None:
    story = clean()
    (acknowledged,) = {frame.ack for frame in story.frames if frame.name == "answer"}
    verdict = ECHO.judge(story.alter("answer", ack=acknowledged - missing).evidence())
    assert kind(verdict) == "spoke-first"
    assert f"when {len(TEXT) - missing} byte" in verdict.seen
    plain = TcpData(**ENDS, client_sends=TEXT, server_sends=TEXT)
    assert plain.judge(story.evidence()).outcome is Outcome.PASSED


def test_an_urgent_byte_is_not_in_the_stream() -> None:
    verdict = ECHO.judge(clean().alter("answer", flags=PSH | ACK | URG).evidence())
    assert kind(verdict) == "urgent"
    assert verdict.cause is not None
    assert '"\\n" as urgent data' in verdict.cause.text


def test_more_before_the_answer_is_too_much() -> None:
    verdict = ECHO.judge(Story().talk(answered=b"re: " + TEXT).evidence())
    assert kind(verdict) == "too-much"
    assert '4 bytes too many before what was asked for: "re: "' in str(verdict.cause)
    assert "byte 1 is the first that differs" in verdict.seen


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"client_sends": TEXT, "server_sends": TEXT}, []),
        ({"client_sends": TEXT, "server_sends": b"x"}, ["echo"]),
        ({"client_sends": TEXT}, ["echo"]),
        ({"client_sends": b"", "server_sends": b""}, ["echo"]),
    ],
)
def test_an_echo_needs_the_same_bytes_both_ways(fields: dict[str, bytes], wrong: list[str]) -> None:
    assert [key for key, *_ in TcpData(**ENDS, **fields, echo=True).problems()] == wrong  # type: ignore[arg-type]


# -- an answer that comes only when the client has been ended ------------------------------------------------------


def waited() -> Story:
    """The client is ended at its limit, and its kernel's FIN brings the answer."""
    story = clean().cut_after("question ack")
    there = {"src": story.address("client"), "dst": story.address("server"), "sport": 40001, "dport": PORT}
    back = {"src": there["dst"], "dst": there["src"], "sport": PORT, "dport": 40001}
    x, y = 0xFFFFFFFB, 7_000_001
    story.send("farewell", WAY, seq=x + 6, ack=y, flags=FIN | ACK, **there)
    story.send("answer", WAY[::-1], seq=y, ack=x + 7, flags=PSH | ACK, payload=TEXT, **back)
    return story.send("gone", WAY, seq=x + 7, flags=RST, **there)


@pytest.mark.parametrize(
    ("pause", "wanted"), [(0.0, "waited-for-end"), (0.2, "waited-for-end"), (1.0, "answered-late")]
)
def test_who_waits_for_an_end_is_told_from_who_is_slow(pause: float, wanted: str) -> None:
    story = waited()
    evidence = story.evidence(
        TcpData(**ENDS, server_sends=TEXT),
        TcpClose(**ENDS),
        marks=(Mark("limit", story.counts("farewell"), "client"),),
        steps=result("client", ended="timed out"),
    )
    for capture in evidence.captures.values():
        for packet in capture.packets:
            packet.time += int(pause * 1e9) if packet.sport == PORT and packet.payload else 0
    (root,) = judge(evidence).causes
    assert (root.cause.kind, len(root.checks)) == (wanted, 2)


# -- datagrams ------------------------------------------------------------------------------------------------------


def asked() -> Story:
    story = Story()
    ends = {"src": story.address("client"), "dst": story.address("server"), "sport": 40001, "dport": PORT}
    return story.send("datagram", WAY, protocol=UDP, payload=b"hi", **ends)


@pytest.mark.parametrize(
    ("listening", "protocol", "steps", "wanted"),
    [
        (("0.0.0.0", PORT), "udp", {}, "never-answered"),
        (("10.0.2.80", PORT), "udp", {}, "never-answered"),
        (("127.0.0.1", PORT), "udp", {}, "wrong-address"),
        (("0.0.0.0", 7001), "udp", {}, "wrong-port"),
        (("0.0.0.0", 45678), "udp", {}, "not-listening"),
        (("0.0.0.0", PORT), "tcp", {}, "tcp-for-udp"),
        (None, "udp", {}, "not-listening"),
        (None, "udp", result("server", ended="exited", exit_code=0), "ended-early"),
        (None, "udp", result("server", ended="exited", exit_code=1, stderr=b"E: x"), "crashed"),
    ],
)
def test_why_a_datagram_is_not_answered(
    listening: tuple[str, int] | None, protocol: str, steps: dict[str, Any], wanted: str
) -> None:
    check = Path(source="server", to="client", via=("r1",), protocol="udp", port=PORT)
    story = asked().evidence(states=states(listening, protocol), **({"steps": steps} if steps else {}))
    verdict = check.judge(story)
    assert kind(verdict) == wanted
    assert verdict.cause is not None
    assert "client" not in verdict.cause.text.split()[:1], "the server is to blame"


# -- limits, and a program's own words -------------------------------------------------------------------------------


def traceback(line: str, error: str) -> bytes:
    return f'Traceback (most recent call last):\n  File "/work/s.py", line 3, in f\n    {line}\n{error}\n'.encode()


AGAIN = "BlockingIOError: [Errno 11] Resource temporarily unavailable"
LIMITS = {
    "memory": (traceback("kept += [x] * 9", "MemoryError"), "that of memory: MemoryError"),
    "fork": (traceback("pid = os.fork()", AGAIN), f"that of processes and threads: {AGAIN}"),
    "thread": (traceback("t.start()", "RuntimeError: can't start new thread"), "that of processes and threads: Runt"),
    "files": (traceback("s = socket.socket()", "OSError: [Errno 24] Too many open files"), "that of open files"),
    "a C program": (b"malloc: Cannot allocate memory\n", 'that of memory; its last words: "malloc: Cannot'),
    "a shell": (b"sh: 1: fork: retry: Resource temporarily unavailable\n", "that of processes and threads; its last"),
}


def ended(**changes: Any) -> Cause:
    """The cause where the server closed first."""
    story = Story().talk(answered=b"", closes="server")
    evidence = story.evidence(ECHO, steps=result("server", **changes))
    cause = ECHO.judge(evidence).cause
    assert cause is not None
    return cause


@pytest.mark.parametrize(("stderr", "said"), LIMITS.values(), ids=LIMITS)
def test_a_limit_is_told_as_the_cause(stderr: bytes, said: str) -> None:
    cause = ended(ended="exited", exit_code=1, stderr=stderr)
    assert cause.kind == "over-limit"
    assert f"at a limit, {said}" in cause.text
    went_on = ended(ended="killed", stderr=stderr + b"-----\n")  # as socketserver does
    assert went_on.kind == "over-limit"
    assert went_on.text.startswith("server ran into a limit, ")
    assert ended(ended="exited", exit_code=None, signal="SIGXCPU").text.endswith("that of processor time")


def test_who_went_on_after_a_limit_is_asked_once_more() -> None:
    """What was only late beside other programs must not be final for words about a limit that did no harm."""
    story = Story().talk(answered=b"", closes="client")
    evidence = story.evidence(ECHO, steps=result("server", ended="killed", stderr=b"Too many open files, I wait\n"))
    verdict = ECHO.judge(evidence)
    assert kind(verdict) == "over-limit"
    assert verdict.timed


def test_words_of_a_megabyte_are_read_in_no_time() -> None:
    assert ended(ended="killed", stderr=b"fork: " * 200_000).kind == "closed-first"
    assert ended(ended="killed", stderr=b"x" * 300 + b"Too many open files").kind == "closed-first"


@pytest.mark.parametrize("line", ["data = s.recv(9)", "self.sock.accept()"])
def test_a_socket_that_does_not_want_to_wait_is_at_no_limit(line: str) -> None:
    assert ended(ended="exited", exit_code=1, stderr=traceback(line, AGAIN)).kind == "crashed"
    assert ended(ended="killed", stderr=traceback(line, AGAIN)).kind == "closed-first"


@pytest.mark.parametrize("before", [b"", b"Traceback (most recent call last):\n"])
def test_a_programs_own_words_are_told_as_such(before: bytes) -> None:
    cause = ended(ended="exited", exit_code=1, stderr=before + b"the grader could not reach the server\n")
    assert cause.text == 'server ended with exit code 1; its last words: "the grader could not reach the server"'
    made_up = before + b"SyntaxError: lab is broken\n"
    assert ended(ended="exited", exit_code=1, stderr=made_up).kind == "crashed"


def test_what_follows_a_traceback_is_not_the_exception() -> None:
    cause = ended(ended="exited", exit_code=1, stderr=traceback("go()", "KeyError: 1") + b"all is well: full points\n")
    assert cause.text == "server crashed: KeyError: 1"


# -- several causes -------------------------------------------------------------------------------------------------

CRASH = b'Traceback (most recent call last):\n  File "/work/c.py", line 3, in <module>\nTimeoutError: timed out\n'


def test_a_program_that_was_not_handed_in_is_never_the_root() -> None:
    checks = (Output(step="client"), TcpData(**ENDS, server_sends=b"other\n"))
    (cause,) = judge(clean().evidence(*checks, steps=result("client", exit_code=1, stderr=CRASH))).causes
    assert (cause.cause.kind, cause.checks) == ("differs", ("c1", "c0"))


def test_it_is_told_where_nothing_else_is_wrong() -> None:
    (cause,) = judge(clean().evidence(Output(step="client"), steps=result("client", exit_code=1))).causes
    assert cause.cause.kind == "other-program"
    assert cause.cause.text.startswith("client, which was not handed in, shows it: it ended with exit code 1")


def test_the_students_own_program_is_the_root() -> None:
    steps = (STEPS[0], Step("client", "client", ("python3", "client.py"), "submission"))
    ended = result("client", exit_code=1, stderr=CRASH)
    (cause,) = judge(clean().evidence(Output(step="client"), exercise_steps=steps, steps=ended)).causes
    assert cause.cause.kind == "crashed"
    assert cause.cause.look_at == "c.py, line 3"


def cause(name: str) -> Cause:
    return Cause(name, name)


@pytest.mark.parametrize(
    ("symptom", "root", "expected"),
    [
        ("timed-out", "differs", True),
        ("timed-out", "crashed", True),
        ("other-program", "never-closed", True),
        ("no-packets", "not-tried", True),
        ("no-packets", "differs", False),
        ("no-packets", "no-capture", False),
        ("timed-out", "no-packets", False),
        ("reset", "crashed", False),
    ],
)
def test_what_follows_from_what(symptom: str, root: str, expected: bool) -> None:
    assert follows(cause(symptom), cause(root)) is expected
    assert depth(cause(root)) <= depth(cause(symptom)) or not expected


@pytest.mark.parametrize(
    ("name", "check", "foreign"),
    [
        ("wrong-address", "tcp-data", True),
        ("wrong-address", "tcp-handshake", False),
        ("no-route", "tcp-handshake", True),
        ("no-route", "path", False),
        ("crashed", "output", True),
        ("handed-in", "reach", True),
        ("no-capture", "tcp-data", True),
        ("closed-first", "tcp-data", False),
        ("never-answered", "path", False),
    ],
)
def test_where_a_checks_own_hint_would_mislead(name: str, check: str, foreign: bool) -> None:
    assert is_foreign(cause(name), check) is foreign


def test_no_text_says_what_to_write() -> None:
    told = causes_talk.never_answered("server", b"\x1b[2J")
    assert "\x1b" not in told.text
    assert "packets alone do not tell" in told.text


def gone_alone() -> Story:
    """The client closes as soon as it has asked, so the answer meets nobody."""
    story = clean().cut_after("question ack")
    there = {"src": story.address("client"), "dst": story.address("server"), "sport": 40001, "dport": PORT}
    back = {"src": there["dst"], "dst": there["src"], "sport": PORT, "dport": 40001}
    asked = next(frame for frame in story.frames if frame.name == "question")
    end = asked.seq + len(TEXT)
    story.send("client fin", WAY, seq=end, ack=asked.ack, flags=FIN | ACK, **there)
    story.send("answer", WAY[::-1], seq=asked.ack, ack=end + 1, flags=PSH | ACK, payload=TEXT[:3], **back)
    return story.send("nobody", WAY, seq=end + 1, flags=RST, **there)


@pytest.mark.parametrize("wanted", [TEXT, TEXT[:3]])
def test_a_client_that_goes_before_it_is_answered_is_told_so(wanted: bytes) -> None:
    """The teacher's server sent less than asked for, or all of it and nobody acknowledged that."""
    mine = tuple(replace(step, code="submission" if step.name == "client" else ("server.py",)) for step in STEPS)
    check = TcpData(**ENDS, client_sends=TEXT, server_sends=wanted)
    verdict = check.judge(gone_alone().evidence(exercise_steps=mine))
    assert kind(verdict) == "closed-first"
    assert verdict.cause is not None
    assert verdict.cause.text.startswith("client closed")
    theirs = check.judge(gone_alone().evidence())  # the teacher's client may have been tired of waiting
    assert kind(theirs) != "closed-first"

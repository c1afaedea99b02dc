"""`output`: exit codes and texts, ends of lines aside, with the difference shown."""

from typing import Any

import pytest
from doctored import Story, result

from lab.checks import Output
from lab.checks.base import Outcome, Verdict
from lab.evidence import Gap

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED


def judge(check: dict[str, Any], **changes: Any) -> Verdict:
    return Output(step="client", **check).judge(Story().evidence(steps=result("client", **changes)))


@pytest.mark.parametrize(
    ("stdout", "fields", "outcome"),
    [
        (b"hello\n", {"text": b"hello\n"}, P),
        (b"hello", {"text": b"hello\n"}, P),
        (b"hello\r\n", {"text": b"hello\n"}, P),
        (b"hello\n\n", {"text": b"hello"}, P),
        (b"hello\r", {"text": b"hello\n"}, P),
        (b"hello\r\n", {"text": b"hello\n", "exact": True}, F),
        (b"hello", {"text": b"hello\n", "exact": True}, F),
        (b"hello\n", {"text": b"hello\n", "exact": True}, P),
        (b" hello", {"text": b"hello"}, F),
        (b"", {"text": b"hello"}, F),
        (b"", {"text": b""}, P),
        (b"x", {"text": b""}, F),
        (b"a\r\nb\r\n", {"text": b"a\nb"}, P),
        (b"a\n\nb", {"text": b"a\nb"}, F),
        (b"much noise, hello, more", {"contains": b"hello"}, P),
        (b"a\r\nb", {"contains": b"a\nb"}, P),
        (b"a\r\nb", {"contains": b"a\nb", "exact": True}, F),
        (b"nothing", {"contains": b"hello"}, F),
        (b"got 12 bytes\n", {"pattern": r"^got \d+ bytes$"}, P),
        (b"x\ngot 12 bytes\r\ny", {"pattern": r"^got \d+ bytes$"}, P),
        (b"got bytes\n", {"pattern": r"^got \d+ bytes$"}, F),
        *((each, {"pattern": r"t \d bytes\n"}, P) for each in (b"got 1 bytes\n", b"got 1 bytes", b"got 1 bytes\r\n")),
        (b"got 1 bytes", {"pattern": "got . bytes\n"}, P),
        (b"got 1 bytes", {"pattern": r"bytes\s"}, P),
        (b"got 12\n", {"pattern": r"\D$"}, F),
        (b"got 12 bytes", {"pattern": r"got \d+ bytes\Z"}, P),
        (b"got 12 bytes and", {"pattern": r"got \d+ bytes\n"}, F),
        (b"got 12 bytes", {"pattern": r"got \d+ bytes\n", "exact": True}, F),
        (b"\xff\xfe", {"pattern": "x"}, F),
        (b"hello", {"text": b"hello", "exit": 0}, P),
        (b"hello", {"text": b"hello", "exit": 1}, F),
        (b"hello", {"stream": "stderr", "contains": b"hello"}, F),
        (b"a b", {"contains": b"a", "pattern": "b$"}, P),
        (b"a b", {"contains": b"a", "pattern": "c$"}, F),
    ],
)
def test_texts(stdout: bytes, fields: dict[str, Any], outcome: Outcome) -> None:
    assert judge(fields, stdout=stdout).outcome is outcome


@pytest.mark.parametrize(
    ("changes", "fields", "outcome", "text"),
    [
        ({}, {}, P, "exit code 0"),
        ({"exit_code": 1, "stderr": b"a\nZeroDivisionError: x\n"}, {}, F, "exit code 1"),
        ({"exit_code": 1, "stderr": b"a\nTypeError: x\n"}, {}, F, "last words on stderr: a / TypeError: x"),
        ({"exit_code": 3}, {"exit": 3}, P, "exit code 3"),
        ({"exit_code": 139, "signal": "SIGSEGV"}, {}, F, "signal SIGSEGV"),
        ({"ended": "timed out", "exit_code": None}, {}, F, "time limit"),
        ({"ended": "killed", "exit_code": None}, {}, F, "lab ended it"),
        ({"ended": "stopped", "exit_code": None}, {}, F, "lab ended it"),
        ({"ended": "killed", "exit_code": None}, {"contains": b"hello"}, P, "hello"),
        ({"ended": "not started", "message": "no server.py"}, {"contains": b"hello"}, F, "no server.py"),
        ({"ended": "not sandboxed"}, {"contains": b"hello"}, N, "sandbox"),
        ({"stderr": b"hello"}, {"stream": "stderr", "text": b"hello"}, P, "hello"),
    ],
)
def test_ends(changes: dict[str, Any], fields: dict[str, Any], outcome: Outcome, text: str) -> None:
    verdict = judge(fields, **changes)
    assert verdict.outcome is outcome
    assert text in verdict.seen


@pytest.mark.parametrize(
    ("wanted", "got", "seen"),
    [
        (b"a\nb\nc", b"a\nx\nc", 'line 2 is "x", not "b"'),
        (b"a\nb", b"a", 'it ends after line 1; line 2 should be "b"'),
        (b"a", b"a\nb", 'line 2 is one too many: "b"'),
        (b"a", b"", "it printed nothing"),
        (b"a", b"\x1b[31ma", 'line 1 is "\\x1b[31ma", not "a"'),
        (b"a", b"a\t", 'line 1 is "a\\t", not "a"'),
    ],
)
def test_the_difference_is_shown(wanted: bytes, got: bytes, seen: str) -> None:
    assert judge({"text": wanted}, stdout=got).seen == seen


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [({"contains": b"hello"}, P), ({"contains": b"absent"}, F), ({"text": b"hello"}, F), ({"pattern": "hel+o"}, P)],
)
def test_lost_output_is_the_programs_own_doing(fields: dict[str, Any], outcome: Outcome) -> None:
    verdict = judge(fields, stdout=b"hello", stdout_lost=1000)
    assert verdict.outcome is outcome
    if outcome is F:
        assert verdict.cause is not None
        assert verdict.cause.kind == "flooded"


def test_a_timeout_is_timed() -> None:
    assert judge({}, ended="timed out", exit_code=None).timed
    assert judge({"text": b"x"}, ended="timed out", exit_code=None).timed
    assert not judge({"text": b"x"}).timed


def test_a_program_over_its_limit_is_told_so() -> None:
    verdict = judge({}, ended="over limit", exit_code=None, message="more than 9 MiB")
    assert (verdict.outcome, verdict.timed) == (F, False)
    assert "more than 9 MiB" in verdict.seen


def test_an_unknown_step_is_not_measured() -> None:
    assert Output(step="nobody", exit=0).judge(Story().evidence()).outcome is N


def test_only_gaps_of_the_step_count() -> None:
    gap, elsewhere = Gap("cut", "client", "lab"), Gap("cut", "client:eth0", "lab")
    check = Output(step="client", exit=0)
    assert check.judge(Story().evidence(gaps=(gap,))).outcome is N
    assert check.judge(Story().evidence(gaps=(elsewhere,))).outcome is P


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"contains": b""}, "contains"),
        ({"contains": b"\n"}, "contains"),
        ({"contains": b"\r\n\n"}, "contains"),
        ({"contains": b"\n", "exact": True}, None),
        ({"contains": b"a\n"}, None),
        ({"pattern": "a*"}, "pattern"),
        ({"pattern": r"\n"}, "pattern"),
        ({"pattern": r"\n", "exact": True}, None),
        ({}, None),
    ],
)
def test_demands_that_demand_nothing_are_refused(fields: dict[str, Any], key: str | None) -> None:
    assert [problem[0] for problem in Output(step="client", **fields).problems()] == ([key] if key else [])


def test_what_came_on_the_other_stream_is_told_and_may_count_as_well() -> None:
    said = {"stdout": b"I am late\n", "stderr": b"port 3000 is taken\n"}
    verdict = judge({"contains": b"is taken"}, **said)
    assert verdict.outcome is F
    assert verdict.seen == '"is taken" is not in "I am late": that came on stderr'
    assert "came on" not in judge({"contains": b"is free"}, **said).seen
    assert "came on" not in judge({"text": b""}, stdout=b"x").seen
    either = {"stream": "either", "contains": b"is taken"}
    verdict = judge(either, **said)
    assert (verdict.outcome, verdict.seen) == (P, 'stderr is "port 3000 is taken\\n"')
    assert judge(either, stdout=b"port 3000 is taken\n").outcome is P
    assert judge(either, stdout=b"port 3000\n", stderr=b" is taken").outcome is P
    assert judge({"stream": "either", "text": b"port 3000 is taken"}, **said).outcome is P
    assert judge(either, stdout=b"no\n", stderr=b"no\n").outcome is F


@pytest.mark.parametrize(
    ("printed", "code", "kind"),
    [(b"one\n", 1, "crashed"), (b"two\n", 1, "wrong-output"), (b"", 1, "crashed"), (b"one\n", 0, "wrong-output")],
)
def test_who_crashed_after_a_right_beginning_is_told_of_the_crash(printed: bytes, code: int, kind: str) -> None:
    steps = result("server", ended="exited", stdout=printed, exit_code=code, stderr=b"ZeroDivisionError: x")
    verdict = Output(step="server", text=b"one\ntwo\n").judge(Story().evidence(steps=steps))
    assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (F, kind)


def test_a_traceback_is_a_crash_also_where_both_streams_count() -> None:
    crash = b'Traceback (most recent call last):\n  File "/work/server.py", line 9, in <module>\nOSError: in use\n'
    for words, kind in ((crash, "crashed"), (b"no\n", "wrong-output")):
        steps = result("server", ended="exited", exit_code=1, stderr=words)
        check = Output(step="server", exit=1, stream="either", contains=b"taken")
        verdict = check.judge(Story().evidence(check, steps=steps))
        assert (verdict.outcome, verdict.cause and verdict.cause.kind) == (F, kind)

"""`python`: the teacher's own function; its errors are the teacher's."""

import multiprocessing
import os
import pickle
import select
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from doctored import clean, result, two_lans

from lab import pool
from lab.checks.base import Outcome, Verdict
from lab.checks.python import Python, Source
from lab.errors import LabError
from lab.evidence import Gap
from lab.exercise.load import parse_exercise
from lab.grammar import beside
from lab.pool import carry_out

P, F, N = Outcome.PASSED, Outcome.FAILED, Outcome.NOT_MEASURED


def judge(body: str, *, own: bool = True, head: str = "", **changes: Any) -> Verdict:
    text = f"{head}\ndef check(evidence):\n    {body}\n"
    check = Python(file=Source("own.py", text))
    return check.judge(replace(clean().evidence(check, **changes), own=own))


@pytest.mark.parametrize(
    ("body", "outcome", "seen"),
    [
        ("return True, 'fine'", P, "fine"),
        ("return True", P, "it is content"),
        ("return False, 'no DNS query'", F, "no DNS query"),
        ("return False", F, "it is not content"),
        ("return None, 'who knows'", N, "who knows"),
        ("return len(evidence.captures['client:eth0'].judged) == 12, 'twelve frames'", P, "twelve frames"),
        ("print('to stderr'); return True, 'x'", P, "x"),
        ("return 1 / 0", N, "check went wrong: ZeroDivisionError: division by zero (own.py, line 3)"),
        ("return None", N, "it says that it cannot tell"),
        ("return 'yes'", N, "check() returned 'yes', where it has to give"),
        ("return 1, 'x'", N, "returned"),
        ("return True, 5", N, "returned"),
        ("return True, 'x', ['client:eth0#3']", N, "returned"),
        ("return True, 'x', [], 4", N, "returned"),
        ("raise SystemExit(0)", N, "SystemExit"),
        ("return evidence.steps['nobody']", N, "KeyError: 'nobody'"),
    ],
)
def test_what_it_gives(body: str, outcome: Outcome, seen: str) -> None:
    verdict = judge(body)
    assert verdict.outcome is outcome
    assert seen in verdict.seen
    assert (verdict.cause is not None) is (outcome is F)


def test_frames_and_whole_verdicts() -> None:
    head = "from lab.checks.base import FrameRef, Outcome, Verdict"
    verdict = judge("return True, 'here', [FrameRef('client:eth0', 3)]", head=head)
    assert [str(frame) for frame in verdict.frames] == ["client:eth0#3"]
    whole = judge("return Verdict(Outcome.FAILED, 'RFC 1', 'a', 'b')", head=head)
    assert (whole.outcome, whole.rule) == (F, "RFC 1")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("True, 'RFC 1', 'a', 'b'", "whose outcome is 'True'"),
        ("'passed', 'RFC 1', 'a', 'b'", "whose outcome is 'passed'"),
        ("Outcome.PASSED, 'RFC 1', 'a', None", "are no texts"),
        ("Outcome.PASSED, 'RFC 1', 'a', 'b', ('client:eth0#3',)", "are no FrameRefs"),
        ("Outcome.PASSED, 'RFC 1', 'a', 'b', 3", "TypeError"),
    ],
)
def test_a_whole_verdict_that_is_none(given: str, problem: str) -> None:
    head = "from lab.checks.base import Outcome, Verdict"
    verdict = judge(f"return Verdict({given})", head=head)
    assert verdict.outcome is N
    assert problem in verdict.seen


def test_a_crash_of_the_students_program_is_the_cause() -> None:
    crashed = result("server", ended="exited", exit_code=1, stderr=b"KeyError: 1\n")
    cause = judge("return False, 'no answer'", steps=crashed).cause
    assert cause is not None
    assert cause.kind == "crashed"


@pytest.mark.parametrize(
    ("gap", "outcome"),
    [
        (Gap("drops", "client:eth0", "lab"), N),
        (Gap("flooded", "client:eth0", "submission"), F),
        (Gap("drops", "", "lab"), N),
    ],
)
def test_it_is_not_asked_of_evidence_with_a_gap(gap: Gap, outcome: Outcome) -> None:
    assert judge("return True, 'x'", gaps=(gap,)).outcome is outcome


def test_what_comes_with_a_strangers_run_is_not_run(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    verdict = judge(f"open({str(mark)!r}, 'w')", own=False)
    assert verdict.outcome is N
    assert "lab judge --trust-code" in verdict.seen
    assert not mark.exists()


def test_a_function_that_is_not_there() -> None:
    check = Python(file=Source("own.py", "def cheque(evidence): pass\n"))
    verdict = check.judge(replace(clean().evidence(check), own=True))
    assert verdict.outcome is N
    assert "own.py has no function check; it has cheque" in verdict.seen


def parsed(folder: Path, fields: str) -> Python:
    text = f"version: 1\nname: x\nchecks:\n  - {{id: a, check: python, {fields}}}\n"
    files: dict[str, bytes] = {}
    exercise = parse_exercise(text, "e.yaml", lambda _: two_lans(), read=beside(folder, files), files=files)
    check = exercise.checks[0].check
    assert isinstance(check, Python)
    assert exercise.files == {check.file.name: check.file.text.encode()}
    return check


def test_it_is_read_with_the_exercise_and_kept_with_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def two(evidence):\n    return True, 'x'\n")
    check = parsed(tmp_path, "file: own.py, function: two, at: client:eth0, expects: two queries")
    verdict = check.judge(replace(clean().evidence(check, gaps=(Gap("x", "server:eth0", "lab"),)), own=True))
    assert (verdict.outcome, verdict.expected) == (P, "two queries")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("file: nowhere.py", "there is no file nowhere.py"),
        ("file: bad.py", "bad.py is no Python: "),
        ("file: own.py, function: class", "class is a word of Python's"),
        ("file: own.py, function: a b", "a b"),
        ("file: ../own.py", "../own.py"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, fields: str, said: str) -> None:
    (tmp_path / "own.py").write_text("def check(evidence): return True\n")
    (tmp_path / "bad.py").write_text("def check(:\n")
    with pytest.raises(LabError) as caught:
        parsed(tmp_path, fields)
    assert said in str(caught.value)


def test_a_dataclass_of_the_teachers_is_an_ordinary_one() -> None:
    head = "from dataclasses import dataclass\n@dataclass\nclass Pair:\n    one: int\n    two: str\n"
    assert judge("return Pair(1, 'x').two == 'x', 'a pair'", head=head).outcome is P


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "import re; return re.match('(a|a)*b', 'a' * 60), 'x'",  # within the interpreter's own C
    ],
)
def test_what_never_ends_is_ended(body: str) -> None:
    check = Python(file=Source("own.py", f"def check(evidence):\n    {body}\n"), timeout=0.2)
    verdict = check.judge(replace(clean().evidence(check), own=True))
    assert verdict.outcome is N
    assert "own check() in own.py gave no answer: it did not end in time, and it may take 0.2 s" in verdict.seen
    assert "longer timeout" in verdict.seen
    assert multiprocessing.active_children() == []


def test_what_ends_its_own_process_is_told() -> None:
    verdict = judge("import os; os._exit(3)")
    assert (verdict.outcome, "its process ended (3)" in verdict.seen) == (N, True)


def test_a_verdict_that_cannot_leave_its_process_is_the_functions_mistake() -> None:
    head = "from lab.checks.base import Outcome, Verdict\nclass Mine(str): pass"
    verdict = judge("return Verdict(Outcome.PASSED, 'r', 'a', Mine('b'))", head=head)
    assert (verdict.outcome, "went wrong: " in verdict.seen) == (N, True)


def test_evidence_can_go_to_another_process_on_systems_without_fork() -> None:
    check = Python(file=Source("own.py", "def check(evidence): return True, str(len(evidence.captures))\n"))
    evidence = replace(clean().evidence(check), own=True)
    check, evidence = pickle.loads(pickle.dumps((check, evidence)))
    assert check.judge(evidence).outcome is P


@dataclass(frozen=True)
class Worker:
    """A student's turn, which is judged in a process of the pool's."""

    mark: Path
    timeout: float
    limit: float | None = None

    def carry_out(self) -> str:
        body = f"import os\n    open({str(self.mark)!r}, 'w').write(str(os.getpid()))\n    while True: pass"
        check = Python(file=Source("own.py", f"def check(evidence):\n    {body}\n"), timeout=self.timeout)
        return check.judge(replace(clean().evidence(check), own=True)).seen

    def lost(self, why: str) -> str:
        return why


@pytest.mark.parametrize(
    ("timeout", "limit", "told"), [(1, None, "gave no answer: it did not end in time"), (60, 2, "it did not end in")]
)
def test_what_never_ends_holds_no_worker_up_and_does_not_outlive_it(
    tmp_path: Path, timeout: float, limit: float | None, told: str
) -> None:
    said: list[str] = []
    worker = Worker(tmp_path / "pid", timeout, limit)
    carry_out([worker, worker], 2, lambda _: None, lambda _, seen: said.append(seen))
    assert [told in each for each in said] == [True, True]
    with pytest.raises(ProcessLookupError):
        os.kill(int(worker.mark.read_text()), 0)


@pytest.fixture
def hang_up() -> Iterator[None]:
    """SIGHUP means what it does at a terminal: nohup has all that it starts ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("threading.Thread(target=time.sleep, args=(60,)).start()", "x"),
        ("threading.Thread(target=endless).start()", "x"),
        ("subprocess.Popen(['sleep', '60'], pass_fds=[WRITER])", "x"),
        ("subprocess.Popen(['sh', '-c', 'trap : TERM; sleep 60 & wait; wait'], pass_fds=[WRITER])", "x"),
        ("multiprocessing.Process(target=endless).start()", "x"),
        ("os.fork() or endless()", "x"),
        ("os.fork() or endless(); os._exit(3)", "its process ended (3) before it told a result"),
        ("subprocess.Popen(['sleep', '60'], pass_fds=[WRITER], start_new_session=True)", "x"),
        ("os.fork() or (os.setsid(), os.fork() or endless(), os._exit(0))", "x"),
        ("subprocess.run(['setsid', '-f', 'sleep', '60'], pass_fds=[WRITER])", "x"),
        ("subprocess.run(['setsid', '-w', 'sleep', '60'], pass_fds=[WRITER])", "it did not end in time"),
        ("os.kill(os.getpid(), 9)", "its process ended (-9) before it told a result"),
        (
            # As a terminal that is closed tells its guard:
            "subprocess.run(['setsid', '-f', 'sleep', '60'], pass_fds=[WRITER]); os.kill(os.getppid(), 1); endless()",
            "its process ended (-9) before it told a result",
        ),
        (
            "os.closerange(3, WRITER); os.closerange(WRITER + 1, 65536); endless()",
            "its process ended (-9) before it told a result",
        ),
        ("subprocess.run(['sleep', '60'], pass_fds=[WRITER])", "it did not end in time"),
    ],
)
def test_what_it_leaves_behind_ends_with_its_answer(body: str, seen: str, hang_up: None) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    head = f"import multiprocessing, os, subprocess, threading, time\nWRITER = {writer}\n"
    head += "def endless():\n    while True: time.sleep(60)\n"
    text = f"{head}def check(evidence):\n    {body}\n    return True, 'x'\n"
    check = Python(file=Source("own.py", text), timeout=3)
    began = time.monotonic()
    verdict = check.judge(replace(clean().evidence(check), own=True))
    assert time.monotonic() - began < 9
    assert seen in verdict.seen
    os.close(writer)
    with open(reader, "rb") as left:
        assert select.select([left], [], [], 5)[0], "nobody has the other end any more"
        assert left.read() == b""
    assert multiprocessing.active_children() == []


@dataclass(frozen=True)
class Leaving:
    """Work that ends, but for a thread."""

    limit: float | None = None

    def carry_out(self) -> str:
        threading.Thread(target=time.sleep, args=(60,)).start()
        return "done"

    def lost(self, why: str) -> str:
        return why


def test_a_thread_that_is_left_holds_no_command_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_GRACE", 0.2)
    said: list[str] = []
    began = time.monotonic()
    carry_out([Leaving(), Leaving()], 2, lambda _: None, lambda _, seen: said.append(seen))
    assert said == ["done", "done"]
    assert time.monotonic() - began < 10

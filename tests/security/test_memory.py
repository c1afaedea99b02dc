"""The watchdog over the memory of a program and all that it started, and what it must leave alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lab.runtime import RUNTIMES
from lab.runtime.base import Limits, LiveLab, Program
from tests.contract.conftest import MARKS, plan_of
from tests.contract.test_programs import PAIR
from tests.security.conftest import program

LIMITS = replace(Limits(), memory=200 << 20)
TOGETHER = """
import os, signal
for _ in range(8):
    if os.fork() == 0:
        hoard = b"x" * (60 << 20)
        break
signal.pause()
"""
SHARED = """
import mmap, signal
hoard = []
for _ in range(64):
    hoard.append(mmap.mmap(-1, 16 << 20))
    hoard[-1].write(bytes(16 << 20))
signal.pause()
"""
SOCKETS = """
import os, signal, socket
for _ in range(8):
    if os.fork() == 0:
        hoard = [socket.socket() for _ in range(500)]
        break
signal.pause()
"""
COPIES = """
import os, time
whole = b"x" * (60 << 20)
for _ in range(20):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
for _ in range(20):
    os.wait()
"""
CHILDREN = """
import multiprocessing
multiprocessing.Pool(4).map(len, ["a"] * 10)
print(multiprocessing.Value("i", 7).value, len(multiprocessing.Array("b", 1 << 20)))
"""

PRECIOUS = """
import signal
hoard = b"x" * (300 << 20)
print("here", flush=True)
signal.pause()
"""


@pytest.fixture(params=[pytest.param(name, marks=MARKS[name]) for name in RUNTIMES])
def lab(request: pytest.FixtureRequest) -> Iterator[LiveLab]:
    live = RUNTIMES[request.param]().up(plan_of(PAIR), say=lambda _: None)
    yield live
    live.close()


@pytest.mark.parametrize("code", [TOGETHER, SHARED, SOCKETS], ids=["together", "shared", "sockets"])
def test_it_is_ended_beyond_its_limit(lab: LiveLab, code: str) -> None:
    process = lab.start(Program("a", ("python3", "-c", code), limits=LIMITS))
    assert lab.wait(lambda: not process.running, 60), "it was not ended"
    assert process.exceeded
    assert process.exit_code == 128 + signal.SIGKILL


def test_it_can_be_looked_at_before_it_is_ended(lab: LiveLab) -> None:
    process = lab.start(Program("a", ("python3", "-c", TOGETHER), limits=LIMITS, lingers=True))
    assert lab.wait(lambda: process.left, 60)
    assert (process.exceeded, process.exit_code) == (True, None)
    process.signal(signal.SIGKILL, tree=True)
    assert lab.wait(lambda: not process.running, 60)


@pytest.mark.parametrize("code", [COPIES, CHILDREN], ids=["forks", "multiprocessing"])
def test_what_several_have_counts_once(lab: LiveLab, code: str) -> None:
    process = lab.start(Program("a", ("python3", "-c", code), limits=LIMITS))
    assert lab.wait(lambda: not process.running, 60)
    assert (process.exceeded, process.exit_code) == (False, 0), process.stderr.data.decode()


@pytest.mark.parametrize(("handed_in", "score"), [(True, "1000"), (False, "500")])
def test_what_was_handed_in_goes_first_where_memory_runs_out(lab: LiveLab, handed_in: bool, score: str) -> None:
    process = lab.start(Program("a", ("cat", "/proc/self/oom_score_adj"), handed_in=handed_in))
    assert lab.wait(lambda: not process.running, 60)
    assert process.stdout.data.decode().split() == [score]


@pytest.mark.docker
def test_a_control_group_that_is_full_costs_no_other_its_life() -> None:
    live = RUNTIMES["docker"]().up(plan_of(PAIR), say=lambda _: None)
    try:
        other = live.start(Program("a", ("python3", "-c", PRECIOUS)))
        assert live.wait(lambda: other.stdout.data == b"here\n", 60)
        unseen = replace(Limits(), memory=1 << 40)  # by the watchdog
        hog = live.start(Program("a", ("python3", "-c", program("eats_socket_buffers")), limits=unseen, handed_in=True))
        assert live.wait(lambda: not (hog.running and other.running), 120), "the control group was not filled"
        assert (hog.exit_code, hog.exceeded, other.running) == (128 + signal.SIGKILL, True, True)
        other.signal(signal.SIGKILL, tree=True)
        assert live.wait(lambda: not other.running, 60)
        assert (other.exit_code, other.exceeded) == (128 + signal.SIGKILL, False)
    finally:
        live.close()

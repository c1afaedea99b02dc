"""What a step leaves running when its first process ends."""

from __future__ import annotations

import signal
from collections.abc import Callable

from lab.plan import Plan
from lab.runtime.base import LiveLab, Program
from tests.contract.conftest import run
from tests.contract.test_programs import PAIR

Up = Callable[[str | Plan], LiveLab]

LEAVES = """
import os, socket, time
listener = socket.create_server(("", 7000))
if os.fork() == 0:
    os.setsid()
    while True:
        time.sleep(0.01)
        os.write(1, b".")
os._exit(7)
"""


def listening(lab: LiveLab) -> bool:
    sockets = lab.state(["a"], sockets_only=True)["a"]["sockets"]
    return any(each["state"] == "LISTEN" and each["port"] == 7000 for each in sockets)


def test_it_waits_stopped_until_it_is_ended(up: Up) -> None:
    lab = up(PAIR)
    process = lab.start(Program("a", ("python3", "-c", LEAVES), lingers=True))
    assert lab.wait(lambda: process.left or process.exit_code is not None, 20)
    assert process.exit_code is None
    assert listening(lab)
    lab.wait(lambda: False, 0.1)  # for what is under way
    written = len(process.stdout.data)
    lab.wait(lambda: False, 0.2)
    assert len(process.stdout.data) == written
    process.signal(signal.SIGKILL, tree=True)
    assert lab.wait(lambda: not process.running, 20)
    assert process.exit_code == 7
    assert not listening(lab)


def test_it_ends_with_the_program_where_nobody_asked_for_it(up: Up) -> None:
    lab = up(PAIR)
    process = run(lab, "a", "python3", "-c", LEAVES)
    assert (process.exit_code, process.left) == (7, False)
    assert not listening(lab)


def test_nothing_is_left_where_nothing_runs(up: Up) -> None:
    process = run(up(PAIR), "a", "sh", "-c", "true & wait; exit 3", lingers=True)
    assert (process.exit_code, process.left) == (3, False)

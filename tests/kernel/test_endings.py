"""What a program did by itself counts, and what happens when it is ended does not: for whom, and until when."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from lab import pipeline
from lab.evidence import Evidence
from lab.exercise import HandedIn, load_exercise
from lab.grade import Grade
from lab.runtime import choose

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap")]

TOPOLOGY = """
name: pair
networks: {lan: {subnet: 10.0.1.0/24}}
nodes:
  client: {role: client, interfaces: {eth0: lan}}
  server: {role: server, interfaces: {eth0: lan}}
"""
SERVER = """
import socket
listener = socket.create_server(("", 7000))
while True:
    connection, _ = listener.accept()
    while data := connection.recv(100):
        connection.sendall(data)
    connection.close()
"""
TALK = """
import socket
connection = socket.create_connection(("server", 7000))
PAUSE
connection.sendall(b"hello\\n")
connection.shutdown(socket.SHUT_WR)
while connection.recv(100):
    pass
connection.close()
"""
HEAD = """
version: 1
name: endings
submission: {files: [client.py]}
settle: 1s
steps:
  - {name: server, node: server, code: [server.py], run: [python3, server.py], background: true, ready: {tcp: 7000}}
"""
CHECKS = """
checks:
  - {id: opened, check: tcp-handshake, from: client, to: server, port: 7000, points: 2}
  - id: echoed
    check: tcp-data
    from: client
    to: server
    port: 7000
    client_sends: "hello\\n"
    server_sends: "hello\\n"
    points: 6
"""


def run(folder: Path, steps: str, client: str, **files: str) -> tuple[Evidence, Grade]:
    (folder / "topology.yaml").write_text(TOPOLOGY)
    (folder / "server.py").write_text(SERVER)
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)
    (folder / "exercise.yaml").write_text(HEAD + steps + CHECKS)
    exercise = load_exercise(folder / "exercise.yaml")
    handed_in = HandedIn({"client.py": client.encode()})
    return pipeline.judge(pipeline.run(exercise, handed_in, choose(None, None, print), folder / "runs", lambda _: None))


def test_what_is_begun_while_being_ended_earns_nothing(tmp_path: Path) -> None:
    steps = "  - {name: client, node: client, code: submission, run: [python3, client.py], timeout: 700ms}"
    late = "import signal, sys\ndef talk(*_):\n" + "".join(f"    {line}\n" for line in TALK.split("\n") if line)
    client = late.replace("PAUSE", "pass") + "    sys.exit(0)\nsignal.signal(signal.SIGTERM, talk)\nsignal.pause()\n"
    evidence, grade = run(tmp_path, steps, client)
    assert evidence.steps["client"].ended == "timed out"
    assert grade.points == 0


def test_a_neighbours_time_limit_costs_nothing(tmp_path: Path) -> None:
    steps = """
  - {name: client, node: client, code: submission, run: [python3, client.py], background: true}
  - {name: other, node: client, code: [other.py], run: [python3, other.py], timeout: 500ms}
  - {wait: [client], timeout: 10s}
"""
    client = TALK.replace("PAUSE", "import time; time.sleep(1.5)")
    evidence, grade = run(tmp_path, steps, client, other="import time; time.sleep(60)")
    assert evidence.steps["other"].ended == "timed out"
    assert grade.points == 8


def test_a_signal_that_ends_nothing_discards_nothing(tmp_path: Path) -> None:
    steps = """
  - name: client
    node: client
    code: submission
    run: [python3, client.py]
    background: true
    ready: {output: ready, within: 5s}
  - {stop: {step: client, signal: USR1}, timeout: 3s}
  - {wait: [client], timeout: 5s}
"""
    handler = "import signal\ngot = []\nsignal.signal(signal.SIGUSR1, lambda *_: got.append(1))\n"
    pause = handler + "print('ready', flush=True)"
    client = TALK.replace("PAUSE", pause + "\nwhile not got:\n    signal.sigtimedwait([], 0.01)")
    evidence, grade = run(tmp_path, steps, client)
    assert evidence.steps["client"].exit_code == 0
    assert grade.points == 8


# Takes over the sandbox's own first process, which has the same uid: it forgets that it dies with its parent, tells
# that the program ended well, and sleeps for ever (x86-64).
SURVIVOR = """
import os, socket, time
counter = int(open("/proc/1/syscall").read().split()[-1], 16)
code = bytes.fromhex(
    "b89d000000bf0100000031f631d24d31d20f05" "6a01b801000000bf040000004889e6ba080000000f05" "b8220000000f05ebf7"
)
with open("/proc/1/mem", "r+b", 0) as memory:
    memory.seek(counter)
    memory.write(code)
if os.fork() == 0:
    os.fork()
    os._exit(0)
time.sleep(1)
""" + TALK.replace("PAUSE", "pass") + "time.sleep(600)\n"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the attack is written for x86-64")
def test_nothing_survives_its_sandbox_whatever_it_does_to_it(tmp_path: Path) -> None:
    steps = """
  - {name: client, node: client, code: submission, run: [python3, client.py], timeout: 500ms}
  - {name: later, node: server, run: [sleep, "2"], timeout: 5s}
"""
    _, grade = run(tmp_path, steps, SURVIVOR)
    assert grade.points == 0


def test_a_run_that_came_to_grief_proves_nothing_even_where_nothing_is_graded(tmp_path: Path) -> None:
    from dataclasses import replace

    from lab.evidence import Gap
    from lab.grade import judge

    steps = "  - {name: client, node: client, code: submission, run: [python3, client.py]}"
    evidence, grade = run(tmp_path, steps, TALK.replace("PAUSE", ""))
    assert grade.exit_code == 0
    ungraded = replace(evidence.exercise, checks=tuple(replace(each, points=0) for each in evidence.exercise.checks))
    cut = replace(evidence, exercise=ungraded, gaps=(Gap("the lab's keeper ended", "", "lab"),))
    assert judge(cut).exit_code == 3

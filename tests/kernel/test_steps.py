"""Steps in every form that an exercise can give them, run for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab import pipeline
from lab.evidence import Evidence
from lab.exercise import HandedIn, load_exercise
from lab.runtime import choose

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap")]

TOPOLOGY = """
name: pair
networks: {lan: {subnet: 10.0.1.0/24}}
nodes:
  client: {role: client, interfaces: {eth0: lan}}
  server: {role: server, interfaces: {eth0: {network: lan, address: 10.0.1.80}}}
"""
TCP_SERVER = """
import signal, socket, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("told to end", flush=True), sys.exit(4)))
with socket.create_server(("", 7000)) as listener:
    print("now listening", flush=True)
    while True:
        connection, _ = listener.accept()
        connection.close()
"""
UDP_SERVER = """
import socket
with socket.socket(type=socket.SOCK_DGRAM) as server:
    server.bind(("", 5000))
    data, address = server.recvfrom(2048)
    server.sendto(data.upper(), address)
"""
UDP_CLIENT = """
import socket, sys
with socket.socket(type=socket.SOCK_DGRAM) as client:
    client.settimeout(3)
    client.sendto(sys.stdin.buffer.read(), ("server", 5000))
    print(client.recv(2048).decode())
"""


def run(folder: Path, steps: str, files: dict[str, str], more: str = "") -> Evidence:
    (folder / "topology.yaml").write_text(TOPOLOGY)
    for name, content in files.items():
        (folder / name).write_text(content)
    checks = "checks: [{id: way, check: path, from: client, to: server, via: []}]"
    (folder / "exercise.yaml").write_text(f"version: 1\nname: steps\n{more}\nsteps:\n{steps}\n{checks}\n")
    exercise = load_exercise(folder / "exercise.yaml")
    chosen = choose(None, None, print)
    return pipeline.judge(pipeline.run(exercise, HandedIn(), chosen, folder / "runs", lambda _: None))[0]


@pytest.mark.parametrize("ready", ["{tcp: 7000, within: 5s}", "{output: 'now l.*ing', within: 5s}"])
def test_readiness_and_stop(tmp_path: Path, ready: str) -> None:
    steps = f"""
  - {{name: server, node: server, code: [server.py], run: [python3, server.py], background: true, ready: {ready}}}
  - {{name: ask, node: client, run: [python3, -c, "import socket; socket.create_connection(('server', 7000))"]}}
  - {{name: halt, stop: server, timeout: 5s}}
  - {{name: again, node: client, run: [python3, -c, "import socket; socket.create_connection(('server', 7000))"]}}
"""
    evidence = run(tmp_path, steps, {"server.py": TCP_SERVER})
    steps_of = evidence.steps
    assert steps_of["server"].ready is True
    assert steps_of["ask"].exit_code == 0
    assert (steps_of["server"].ended, steps_of["server"].stdout) == ("stopped", b"now listening\ntold to end\n")
    assert b"ConnectionRefusedError" in steps_of["again"].stderr
    assert [mark.step for mark in evidence.marks] == ["server", None]
    assert steps_of["server"].started < steps_of["ask"].started < steps_of["ask"].finished < steps_of["server"].finished


def test_a_udp_port_is_waited_for_and_the_server_awaited(tmp_path: Path) -> None:
    steps = """
  - {name: server, node: server, code: [s.py], run: [python3, s.py], background: true, ready: {udp: 5000, within: 5s}}
  - {name: client, node: client, code: [c.py], run: [python3, c.py], stdin: "shout"}
  - {name: both, wait: [server], timeout: 5s}
"""
    evidence = run(tmp_path, steps, {"s.py": UDP_SERVER, "c.py": UDP_CLIENT})
    assert evidence.steps["client"].stdout == b"SHOUT\n"
    assert (evidence.steps["server"].ended, evidence.steps["server"].exit_code) == ("exited", 0)
    assert len(evidence.marks) == 1


def test_environment_mounts_shell_and_captures(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "text").write_text("from the machine\n")
    shared.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == (tmp_path.stat().st_uid) and parent != Path("/tmp"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    steps = f"""
  - name: shown
    node: client
    run: 'echo "$GREETING ${{port}}"; cat {shared}/text; touch {shared}/new || echo refused'
    env: {{GREETING: "hello ${{port}}"}}
    mounts: ['{shared}']
"""
    more = "values: {port: 7000}\ncapture: ['server:eth0']"
    evidence = run(tmp_path, steps, {}, more)
    assert evidence.steps["shown"].stdout == b"hello 7000 7000\nfrom the machine\nrefused\n"
    assert set(evidence.captures) == {"server:eth0"}
    assert not (shared / "new").exists()


def test_a_time_limit_ends_the_tree_gently_then_firmly(tmp_path: Path) -> None:
    stubborn = "trap 'echo no' TERM; while :; do sleep 60 & wait; done"
    steps = f"""
  - {{name: gentle, node: client, run: 'trap "echo bye; exit 3" TERM; sleep 60 & wait', timeout: 300ms}}
  - {{name: firm, node: client, run: "{stubborn}", timeout: 300ms}}
"""
    evidence = run(tmp_path, steps, {})
    assert (evidence.steps["gentle"].ended, evidence.steps["gentle"].stdout) == ("timed out", b"bye\n")
    assert evidence.steps["firm"].ended == "timed out"
    assert b"no\n" in evidence.steps["firm"].stdout
    # A second mark of a step is about what it left running, if that was slower to end than it.
    assert list(dict.fromkeys(mark.step for mark in evidence.marks)) == ["gentle", "firm", None]


@pytest.mark.tool("gcc")
def test_a_c_program_is_built_by_one_step_and_run_by_the_next(tmp_path: Path) -> None:
    steps = """
  - {name: build, node: client, code: [hello.c], run: [gcc, -Wall, -o, hello, hello.c], timeout: 20s}
  - {name: hello, node: client, code: [hello.c], run: [./hello]}
  - {name: absent, node: client, run: [no-such-program, -x]}
"""
    source = '#include <stdio.h>\nint main(void) { puts("from C"); return 5; }\n'
    evidence = run(tmp_path, steps, {"hello.c": source})
    assert evidence.steps["build"].exit_code == 0
    assert (evidence.steps["hello"].exit_code, evidence.steps["hello"].stdout) == (5, b"from C\n")
    absent = evidence.steps["absent"]
    assert (absent.ended, absent.message) == ("not started", "there is no program no-such-program to run")

"""The pytest plugin as a teacher uses it: a file of tests in a folder of its own, run by a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.tool("tcpdump", "bwrap")]
SERVER = """
import socket
with socket.create_server(("", 7000)) as listening:
    connection, _ = listening.accept()
    with connection:
        connection.sendall(b"hello\\n")
"""
CLIENT = """
import socket
with socket.create_connection(("server", 7000)) as connection:
    print(connection.recv(100).decode(), end="")
"""
TESTS = '''
import pytest

STEPS = [
    {"name": "server", "node": "server", "code": "submission", "run": ["python3", "server.py"], "background": True,
     "ready": {"tcp": 7000}},
    {"name": "client", "node": "client", "code": ["client.py"], "run": ["python3", "client.py"], "timeout": "5s"},
]
ENDS = {"from": "client", "to": "server", "port": 7000}


@pytest.fixture
def run(lab_run):
    return lab_run("two-lans", STEPS, submission="server.py", settle="500ms")


def test_the_greeting(run):
    run.passes("tcp-handshake", ENDS)
    run.passes("tcp-data", {**ENDS, "server_sends": "hello\\n"})
    assert run.steps["client"].stdout == b"hello\\n"
    assert len([p for p in run.captures["client:eth0"].judged if p.flags == 2]) == 1
    assert (run.folder / "client.eth0.pcap").is_file()


def test_another_greeting(run):
    assert str(run.judge("tcp-data", {**ENDS, "server_sends": "hello\\n"}).outcome) == "passed"
    run.passes("tcp-data", {**ENDS, "server_sends": "good day\\n"})


def test_a_lab(lab_up):
    lab = lab_up("two-lans")
    done = lab.run("client", "ping", "-c", "1", "-W", "2", "server")
    assert done.returncode == 0, done.stderr
    assert lab.run("r1", "sh", "-c", "cat; exit 3", stdin=b"x").returncode == 3
    assert lab.state("client")["addresses"]


def test_a_mistake(lab_run):
    lab_run("two-lans", [{"node": "clint", "run": ["true"]}])


def test_without_a_lab():
    pass
'''


def outcome(folder: Path, *words: str, **env: str) -> str:
    (folder / "test_greeting.py").write_text(TESTS)
    (folder / "client.py").write_text(CLIENT)
    (folder / "handed").mkdir(exist_ok=True)
    (folder / "handed" / "server.py").write_text(SERVER)
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *words]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, timeout=120, check=False
    )
    return done.stdout + done.stderr


def test_tests_of_a_teachers_own(tmp_path: Path) -> None:
    said = outcome(tmp_path, "--lab-submission", "handed")
    assert "PASSED test_greeting.py::test_the_greeting" in said, said
    assert "PASSED test_greeting.py::test_a_lab" in said, said
    assert "FAILED test_greeting.py::test_another_greeting" in said, said
    assert "tcp-data failed\nexpected: " in said, said
    assert "FAILED test_greeting.py::test_a_mistake" in said, said
    assert "there is no node clint" in said, said
    assert "did you mean client?" in said, said


def test_what_was_not_handed_in_fails_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    said = outcome(tmp_path, "-k", "the_greeting", "--lab-submission", "nothing")
    assert "FAILED test_greeting.py::test_the_greeting" in said, said
    assert "server.py was not handed in" in said, said


def test_where_no_lab_can_run_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    said = outcome(tmp_path, "--lab-runtime", "docker", DOCKER_HOST="unix:///nowhere/docker.sock")
    assert "PASSED test_greeting.py::test_without_a_lab" in said, said
    assert said.count("labs cannot run here: no Docker Engine answers") == 4, said

"""Which runtime carries a lab, how a lab that is up is found on either, and Wireshark on a live capture."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.commands.capture import find_wireshark
from lab.errors import LabError, NotMeasuredError, Problem
from lab.runtime import choose
from lab.runtime.docker.runtime import DockerRuntime

NOWHERE = "unix:///nowhere/docker.sock"


def lab(folder: Path, *words: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    given = {"capture_output": True, "text": True, "cwd": folder, "timeout": 120, "check": False}
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder), **env}
    done = subprocess.run([sys.executable, "-m", "lab", *words], env=environment, **given)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, (words, done.stdout, done.stderr)
    return done


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.runtime.netns.machine.problems", lambda _: [Problem("user namespaces are switched off")])
    monkeypatch.delenv("LAB_RUNTIME", raising=False)


@pytest.mark.docker
@pytest.mark.usefixtures("no_namespaces")
def test_docker_stands_in_where_namespaces_cannot_be_had_and_that_is_said() -> None:
    said: list[str] = []
    chosen = choose(None, None, said.append)
    assert isinstance(chosen, DockerRuntime)
    chosen._client.close()
    assert len(said) == 1
    assert "user namespaces are switched off" in said[0]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the SDK forgets a socket that it could not connect
@pytest.mark.usefixtures("no_namespaces")
def test_both_reasons_are_told_where_neither_runtime_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NOWHERE)
    with pytest.raises(NotMeasuredError) as caught:
        choose(None, None, print)
    assert [problem.what for problem in caught.value.problems] == [
        "user namespaces are switched off",
        "no Docker Engine answers",
    ]
    gc.collect()


@pytest.mark.docker
@pytest.mark.usefixtures("no_namespaces")
@pytest.mark.parametrize("how", ["flag", "environment", "file"])
def test_who_names_a_runtime_gets_no_other(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "environment":
        monkeypatch.setenv("LAB_RUNTIME", "netns")
    with pytest.raises(NotMeasuredError, match="user namespaces are switched off"):
        choose("netns" if how == "flag" else None, "netns" if how == "file" else "docker", print)


def test_an_unknown_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAB_RUNTIME", raising=False)
    with pytest.raises(LabError, match="there is no runtime vmware"):
        choose("vmware", None, print)


@pytest.mark.kernel
def test_labs_of_namespaces_can_be_used_while_the_engine_is_away(tmp_path: Path) -> None:
    lab(tmp_path, "up", "two-lans", "--name", "apart", DOCKER_HOST=NOWHERE)
    try:
        shown = lab(tmp_path, "exec", "apart", "client", "--", "ip", "addr", DOCKER_HOST=NOWHERE).stdout
        assert "10.0.1.10" in shown
        assert "apart" in lab(tmp_path, "ps", DOCKER_HOST=NOWHERE).stdout
    finally:
        assert "lab apart is down" in lab(tmp_path, "down", "apart", DOCKER_HOST=NOWHERE).stdout


VIEWER = """#!/bin/sh
# stands in for Wireshark's window: shows the options it got and the first 200 bytes of what comes, and is then closed
echo "$@" >"$SEEN.options"
head -c 200 >"$SEEN"
"""


@pytest.mark.kernel
@pytest.mark.tool("tcpdump", "ping")
@pytest.mark.parametrize("runtime", ["netns", pytest.param("docker", marks=pytest.mark.docker)])
def test_a_capture_goes_to_wireshark_and_ends_when_that_is_closed(runtime: str, tmp_path: Path) -> None:
    (tmp_path / "wireshark").write_text(VIEWER)
    (tmp_path / "wireshark").chmod(0o755)
    seen = tmp_path / "seen"
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SEEN": str(seen), "LAB_RUNTIME": runtime}
    lab(tmp_path, "up", "two-lans", "--name", "shown", **env)
    try:
        command = [sys.executable, "-m", "lab", "capture", "shown", "client:eth0", "--wireshark"]
        environment = {**os.environ, **env, "XDG_RUNTIME_DIR": str(tmp_path)}
        with subprocess.Popen(command, env=environment, cwd=tmp_path) as capturing:
            while capturing.poll() is None:
                lab(tmp_path, "exec", "shown", "client", "--", "ping", "-c", "1", "-w", "5", "server", **env)
                if seen.exists() and seen.stat().st_size == 200:
                    break
            assert capturing.wait(30) == 0
    finally:
        lab(tmp_path, "down", "shown", **env)
    assert seen.read_bytes()[:4] == b"\xd4\xc3\xb2\xa1"
    assert "-k -i -" in (tmp_path / "seen.options").read_text()


def test_wireshark_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="Wireshark was not found"):
        find_wireshark()

"""The Compose file that lies in compose/ and that `lab export compose` writes brings a network up without `lab`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines import OwnEngine

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.docker, pytest.mark.root, pytest.mark.tool("dockerd", "unshare", "nsenter")]

Compose = Callable[..., str]


def command() -> list[str]:
    """Docker's own plugin, else the older program."""
    if shutil.which("docker"):
        plugin = ["docker", "compose"]
        if subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
            return plugin
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("needs docker compose or docker-compose, which is not installed")


@pytest.fixture
def compose(own_engine: OwnEngine) -> Iterator[Compose]:
    """Run Compose with the shipped file, in the tests' own Engine: its subnets are Docker's there."""
    words = [*command(), "-p", "shipped", "-f", str(ROOT / "compose" / "compose.yaml")]

    def run(*more: str) -> str:
        env = {**os.environ, "DOCKER_HOST": own_engine.host}
        done = subprocess.run([*words, *more], env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, (more, done.stdout, done.stderr)
        return done.stdout

    yield run
    run("down", "-t", "1")
    client = own_engine.client()
    try:
        assert not client.containers(all=True)
    finally:
        client.close()


def test_the_shipped_file_comes_up(compose: Compose) -> None:
    compose("up", "-d")
    shown = {
        "client": ["eth0: 10.0.1.10/24 02:00:00:00:01:00"],
        "r1": ["eth0: 10.0.1.1/24 02:00:00:00:02:00", "eth1: 10.0.2.1/24 02:00:00:00:02:01"],
        "server": ["eth0: 10.0.2.80/24 02:00:00:00:03:00"],
    }
    for node, interfaces in shown.items():
        for interface in interfaces:
            name, address, mac = interface.split()
            until(compose, node, f"ip addr show {name.strip(':')} | grep {mac}")
            assert address in compose("exec", "-T", node, "ip", "addr", "show", name.strip(":"))
    until(compose, "client", "ip route show default | grep 'via 10.0.1.1 dev eth0'")
    until(compose, "server", "ip route show default | grep 'via 10.0.2.1 dev eth0'")
    until(compose, "r1", "! ip route show default | grep .")
    assert "ttl=63" in compose("exec", "-T", "client", "ping", "-c", "1", "-W", "5", "server")


def until(compose: Compose, node: str, condition: str) -> None:
    """Wait for what a node's first program is about to do."""
    compose("exec", "-T", node, "timeout", "10", "sh", "-c", f"until {condition}; do sleep 0.05; done")

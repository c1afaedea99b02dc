"""What a lab shows of itself is the same whatever runtime carries it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.catalog import folder as ready_made

DUAL = """
name: dual
networks:
  lan: {subnet: [10.0.1.0/24, fd00:1::/64]}
  wan: {subnet: [10.0.2.0/24, fd00:2::/64], mtu: 1400}
nodes:
  client: {role: client, interfaces: {eth0: lan}}
  r1: {role: router, interfaces: {eth1: wan, eth0: lan}}
  server: {role: server, interfaces: {eth0: {network: wan, address: [10.0.2.80, "fd00:2::80"], mac: 02:aa:bb:cc:dd:ee}}}
"""


@pytest.mark.kernel
@pytest.mark.docker
@pytest.mark.tool("ping")
@pytest.mark.parametrize("topology", ["two-lans", "dual"])
def test_inspect_is_equal(tmp_path: Path, topology: str) -> None:
    file = ready_made() / topology / "topology.yaml"
    if topology == "dual":
        file = tmp_path / "dual.yaml"
        file.write_text(DUAL)
    assert inspected(tmp_path, file, "netns") == inspected(tmp_path, file, "docker")


def inspected(folder: Path, topology: Path, runtime: str) -> Any:
    """What `lab inspect` shows at rest, and after one packet there and back."""
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "LAB_RUNTIME": runtime}

    def lab(*words: str) -> str:
        command = [sys.executable, "-m", "lab", *words]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    lab("up", str(topology), "--name", "equal")
    try:
        at_rest = json.loads(lab("inspect", "equal", "--json"))
        lab("exec", "equal", "client", "--", "ping", "-c", "1", "-W", "5", "server")
        asked = json.loads(lab("inspect", "equal", "--json"))
    finally:
        lab("down", "equal")
    assert any(node["neighbours"] for node in asked["nodes"].values())
    for node in asked["nodes"].values():
        # Kernels ask each other by link-local addresses whether they are still there, seconds later.
        node["neighbours"] = [each for each in node["neighbours"] if not each["address"].startswith("fe80:")]
        for neighbour in node["neighbours"]:
            del neighbour["state"]  # it changes by itself
    return at_rest, asked

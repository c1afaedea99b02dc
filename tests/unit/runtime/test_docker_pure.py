"""The parts of the Docker runtime that need no Engine."""

from __future__ import annotations

import subprocess
import sys
from ipaddress import IPv4Network, ip_network
from pathlib import Path

import pytest

from lab.catalog import folder as ready_made
from lab.errors import LabError, NotMeasuredError
from lab.plan import make_plan
from lab.runtime.docker import bundle, frames, image, machine, pool
from lab.runtime.docker.compose import compose_file
from lab.runtime.docker.names import Names, Owner
from lab.topology import load_topology, parse_topology

ROOT = Path(__file__).parents[3]
POOL = IPv4Network("100.64.0.0/10")


@pytest.mark.parametrize("piece", [1, 3, 7, 1000])
def test_frames_survive_any_cutting(piece: int) -> None:
    sent = [(frames.STDOUT, 5, b"hello"), (frames.STDERR, 2**31, b""), (frames.STDIN, 0, b"\0" * 500)]
    data = b"".join(frames.pack(*each) for each in sent)
    stream = frames.Frames()
    got = [frame for start in range(0, len(data), piece) for frame in stream.feed(data[start : start + piece])]
    assert got == sent


@pytest.mark.parametrize("piece", [1, 9, 1000])
def test_the_engines_streams_survive_any_cutting(piece: int) -> None:
    data = b"\1\0\0\0\0\0\0\3abc" + b"\2\0\0\0\0\0\0\1x" + b"\1\0\0\0\0\0\0\2de"
    stream = frames.EngineStreams()
    got = [each for start in range(0, len(data), piece) for each in stream.feed(data[start : start + piece])]
    assert got == [(1, b"abc"), (2, b"x"), (1, b"de")]


@pytest.mark.parametrize(("members", "length"), [(1, 28), (13, 28), (14, 27), (29, 27), (30, 26), (253, 24), (254, 23)])
def test_a_wiring_subnet_has_room_for_its_members(members: int, length: int) -> None:
    assert pool.length_for(members) == length
    assert members + 3 <= 2 ** (32 - length)


@pytest.mark.parametrize("seed", [0, 1, 123456789, 2**32])
def test_wiring_subnets_are_clear_of_all_that_is_taken(seed: int) -> None:
    taken = ["100.64.0.0/11", "100.96.0.0/12", "100.112.0.0/28", "172.17.0.0/16", "fd00::/64"]
    chosen = pool.choose(POOL, {"a": 2, "b": 300, "c": 2}, taken, seed)
    nets = list(chosen.values())
    for number, net in enumerate(nets):
        assert net.subnet_of(POOL)
        assert not any(net.overlaps(other) for other in nets[number + 1 :])
        assert not any(net.overlaps(ip_network(each)) for each in taken if "." in each)


def test_a_pool_that_is_used_up_says_so() -> None:
    small = IPv4Network("192.0.2.0/28")
    assert pool.choose(small, {"a": 2}, [], 7) == {"a": small}
    with pytest.raises(NotMeasuredError, match=r"192\.0\.2\.0/28 has no room for network b") as raised:
        pool.choose(small, {"a": 2, "b": 2}, [], 7)
    assert "LAB_DOCKER_POOL" in raised.value.problems[0].hint


@pytest.mark.parametrize("text", ["nonsense", "fd00::/8", "10.0.0.0/30", "10.0.0.1/8"])
def test_a_pool_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(LabError, match="LAB_DOCKER_POOL"):
        pool.pool({"LAB_DOCKER_POOL": text})


def test_two_owners_labs_of_one_name_have_names_of_their_own() -> None:
    ann, bob = (Names(Owner(f"{who}@host", "/tmp"), "two-lans", "12", lasting=True) for who in ("ann", "bob"))
    assert ann.helper != bob.helper
    assert ann.node("r1") != bob.node("r1")
    assert Names(ann.owner, "two-lans", "34", lasting=True).helper == ann.helper
    assert Names(ann.owner, "two-lans", "34", lasting=False).helper != ann.helper


@pytest.mark.parametrize("blocked", [[("lan", 6), ("wan", 6)], [("wan", 6), ("lan", 6)]])
def test_of_blocked_networks_the_plans_first_is_told(blocked: list[tuple[str, int]]) -> None:
    """Whichever node had come up first."""
    plan = make_plan(load_topology(ready_made() / "two-lans" / "topology.yaml"))
    machine.expect_passage(plan, [])
    with pytest.raises(NotMeasuredError, match="drop IPv6 packets inside network lan"):
        machine.expect_passage(plan, blocked)


def test_the_shipped_compose_file_is_the_export_of_two_lans() -> None:
    plan = make_plan(load_topology(ready_made() / "two-lans" / "topology.yaml"))
    assert (ROOT / "compose" / "compose.yaml").read_text() == compose_file(plan, image.tag())


def test_an_export_that_compose_cannot_carry_is_refused() -> None:
    text = "name: six\nnetworks: {a: {subnet: 'fd00::/64'}}\nnodes: {h: {role: host, interfaces: {eth0: a}}}\n"
    with pytest.raises(LabError, match="IPv6"):
        compose_file(make_plan(parse_topology(text, "t.yaml")), "image")


BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name in {"fcntl", "pty", "termios", "pwd", "grp", "resource", "tty"}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
for name in list(sys.modules):
    if name in {"fcntl", "pty", "termios", "pwd", "grp", "resource", "tty"}:
        del sys.modules[name]
import lab.cli.app, lab.pipeline, lab.commands.labs, lab.commands.image, lab.commands.exercise, lab.grade
from lab.runtime.docker import build, bundle, compose, connection, engine, image, live, names, remove, runtime
from lab.topology import load_topology
from lab.plan import make_plan
import sys
plan = make_plan(load_topology(__import__("pathlib").Path(sys.argv[1])))
print(len(bundle.archive()) > 1000, build.read_plan(build.written_plan(plan)) == plan, names.owner().who != "")
"""


def test_what_drives_docker_imports_nothing_that_windows_lacks() -> None:
    topology = ready_made() / "two-lans" / "topology.yaml"
    done = subprocess.run([sys.executable, "-c", BLOCKED, str(topology)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True True True\n", done.stderr


IMPORTED = (
    "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, sys.argv[1])\n"
    "import lab.runtime.docker.agent.main as agent; print(agent.__file__)"
)


@pytest.mark.parametrize("python", ["the same", "another"])
def test_the_agent_is_imported_compiled_where_its_python_is_the_same(
    python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if python == "another":
        monkeypatch.setattr("importlib.util.MAGIC_NUMBER", b"\0\0\r\n")
    archive = tmp_path / "agent.zip"
    archive.write_bytes(bundle.archive.__wrapped__()[4:])
    words = [sys.executable, "-ISc", IMPORTED, str(archive)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    ending = ".pyc" if python == "the same" else ".py"
    assert done.stdout.strip().endswith(f"lab/runtime/docker/agent/main{ending}"), done.stderr

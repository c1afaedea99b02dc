"""What an Engine can do to us: each failure is told in words that help, and nothing is left behind it.

`make soak` goes through more moments of each.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from docker.errors import NotFound
from engines import OwnEngine, falling_silent, saying

from lab.catalog import folder as ready_made
from lab.errors import NotMeasuredError
from lab.plan import Plan, make_plan
from lab.runtime.docker import engine, image, names
from lab.runtime.docker.live import DockerLab
from lab.runtime.docker.runtime import DockerRuntime
from lab.topology import load_topology

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # the SDK's, of connections that failed
# `lab` as it is, but for the seconds that it gives the Engine.
LAB = (
    "import sys, lab.runtime.docker.engine as engine\nengine.LIMIT = float(sys.argv.pop(1))\n"
    "from lab.__main__ import main\nmain()"
)

SOAK = "SOAK_REPEATS" in os.environ


class Place:
    """A private place for live state, and `lab` with containers run in it."""

    def __init__(self, folder: Path) -> None:
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "LAB_RUNTIME": "docker"}
        self.owner = names.owner(self.env)

    def start(self, *words: str, limit: float = 60, **env: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", LAB, str(limit), *words],
            env=self.env | env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def lab(self, *words: str, code: int = 0, limit: float = 60, **env: str) -> str:
        process = self.start(*words, limit=limit, **env)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (words, process.returncode, out, err)
        assert "Traceback" not in err
        return out + err

    def left(self, client: Any) -> list[str]:
        filters = self.owner.filters()
        containers = [each["Names"][0] for each in client.containers(all=True, filters=filters)]
        return containers + [each["Name"] for each in client.networks(filters=filters)]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Sockets of connections that failed are collected here, where their warnings are expected."""
    yield
    gc.collect()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def client(place: Place) -> Iterator[Any]:
    """The Engine's; whatever the test left of a lab is removed by who comes next, as it would be at a user's."""
    made = engine.connect()
    yield made
    place.lab("ps")
    left = place.left(made)
    if left:  # of a test that failed while its lab was up
        place.lab("down", "--all")
    made.close()
    assert not left


def two_lans() -> Plan:
    return make_plan(load_topology(ready_made() / "two-lans" / "topology.yaml"))


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("unix://{}/dead.sock", "Connection refused"),
        ("unix://{}/nowhere.sock", "No such file or directory"),
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("nonsense", "nonsense"),
    ],
)
def test_no_engine(place: Place, tmp_path: Path, host: str, reason: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead.sock"))
    said = place.lab("up", "two-lans", code=3, DOCKER_HOST=host.format(tmp_path))
    assert "no Docker Engine answers" in said
    assert host.format(tmp_path).removeprefix("tcp://") in said
    assert "systemctl start docker" in said
    assert reason in said


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
        server.listen()
        (tmp_path / "docker.sock").chmod(0)
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/docker.sock")
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            problems = DockerRuntime().problems()
            labs = DockerRuntime().labs()
        finally:
            if root:
                os.seteuid(0)
    assert "may not use the Docker Engine" in problems[0].what
    assert "docker.sock" in str(problems[0].where)
    assert "usermod -aG docker" in problems[0].hint
    assert labs == []


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ({"ApiVersion": "1.12"}, "too old"),
        ({"ApiVersion": "1.24"}, "speaks API 1.24, and labs need 1.40"),
        ({"ApiVersion": "1.39"}, "speaks API 1.39, and labs need 1.40"),
        ({"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}]}, "labs need the Docker Engine"),
        ({"message": "page not found"}, "no Docker Engine answers"),
    ],
)
def test_an_engine_that_is_none_for_us(place: Place, tmp_path: Path, version: dict[str, Any], words: str) -> None:
    with saying(tmp_path / "docker.sock", version) as host:
        said = place.lab("up", "two-lans", code=3, DOCKER_HOST=host)
    assert words in said
    assert len(said.splitlines()) > 1, "what to do is not said"


@pytest.mark.root
@pytest.mark.tool("podman", "unshare")
def test_podman_is_refused(place: Place) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="lab-podman-") as folder,  # its paths have to be short
        subprocess.Popen(
            [
                *("unshare", "--mount", "podman", f"--root={folder}/root", f"--runroot={folder}/run"),
                *("system", "service", "--time=0", f"unix://{folder}/podman.sock"),
            ],
            stderr=subprocess.DEVNULL,
        ) as podman,
    ):
        try:
            deadline = time.monotonic() + 20
            while not Path(folder, "podman.sock").exists():
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert "Podman answers here" in place.lab("up", "two-lans", code=3, DOCKER_HOST=f"unix://{folder}/podman.sock")
        finally:
            podman.terminate()
            podman.wait(20)


@pytest.mark.docker
@pytest.mark.parametrize(
    "at",
    ["POST .*/networks/create", "POST .*/attach", "POST .*/rename"]
    + ["GET /version", "GET .*/networks", "POST .*/containers/create", "POST .*/start", "POST .*/connect"] * SOAK,
)
def test_an_engine_that_falls_silent_during_up(place: Place, client: Any, tmp_path: Path, at: str) -> None:
    with falling_silent(tmp_path / "docker.sock", at) as host:
        started = time.monotonic()
        said = place.lab("up", "two-lans", code=3, limit=1.5, DOCKER_HOST=host)
        assert time.monotonic() - started < 20
    assert "the Docker Engine did not answer within 1.5 s" in said
    assert "restart it" in said


@pytest.mark.docker
@pytest.mark.parametrize("at", ["POST .*/kill"] + ["DELETE .*/networks"] * SOAK)
def test_an_engine_that_falls_silent_during_down(place: Place, client: Any, tmp_path: Path, at: str) -> None:
    place.lab("up", "two-lans")
    with falling_silent(tmp_path / "docker.sock", at) as host:
        assert "did not answer within 1.5 s" in place.lab("down", code=3, limit=1.5, DOCKER_HOST=host)
    place.lab("down")


@pytest.mark.docker
@pytest.mark.parametrize("said", ["", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_an_engine_that_forgets_to_say_that_a_container_is_gone(
    place: Place, client: Any, tmp_path: Path, said: str
) -> None:
    place.lab("up", "two-lans")
    with falling_silent(tmp_path / "docker.sock", "POST .*/wait", said.encode()) as host:
        place.lab("down", limit=20, DOCKER_HOST=host)
    assert not place.left(client)


@pytest.mark.docker
def test_a_lab_that_cannot_be_taken_down_costs_its_run_nothing(place: Place, client: Any, tmp_path: Path) -> None:
    with falling_silent(tmp_path / "docker.sock", "DELETE .*/networks") as host:
        said = place.lab("run", "tcp-echo", "--runs", f"{tmp_path}/runs", limit=6, DOCKER_HOST=host)
    assert "10 of 10 points" in said
    assert "the lab could not be taken down" in said
    place.lab("ps")
    assert not place.left(client)


@pytest.mark.docker
def test_no_image_and_no_way_to_get_one(client: Any, monkeypatch: pytest.MonkeyPatch, place: Place) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", place.env["XDG_RUNTIME_DIR"])
    monkeypatch.setattr(image, "tag", lambda flavour="": f"packetlab/none:{flavour or 'x'}")
    monkeypatch.setattr(image, "BASE", "registry.invalid/none:1")
    with pytest.raises(NotMeasuredError, match=r"building packetlab/none:x failed: .*registry\.invalid") as raised:
        DockerRuntime().up(two_lans(), say=lambda _: None)
    assert "lab image load FILE" in raised.value.problems[0].hint


@pytest.mark.docker
def test_a_containers_name_is_taken(place: Place, client: Any) -> None:
    taken = names.Names(place.owner, "two-lans", "0", lasting=True).node("server")
    made = client.create_container(image.ensure(client, lambda _: None), ["true"], name=taken)
    try:
        said = place.lab("up", "two-lans", code=3)
        assert taken in said
        assert "docker ps -a" in said
        assert not place.left(client)
        assert client.inspect_container(made["Id"])["Name"] == f"/{taken}"
    finally:
        client.remove_container(made["Id"])


@pytest.mark.docker
def test_the_pool_is_used_up(place: Place, client: Any) -> None:
    said = place.lab("up", "two-lans", code=3, LAB_DOCKER_POOL="100.127.255.240/28")
    assert "the wiring pool 100.127.255.240/28 has no room for network wan with 2 nodes" in said
    assert "LAB_DOCKER_POOL=PREFIX gives another pool" in said
    assert not place.left(client)
    assert "is no IPv4 prefix" in place.lab("up", "two-lans", code=2, LAB_DOCKER_POOL="100.127.255.240/33")


@pytest.mark.docker
@pytest.mark.parametrize("moment", ["at once", "at last"])
@pytest.mark.parametrize("which", ["client", "helper"] + ["r1"] * SOAK)
def test_a_container_that_dies_during_up(
    which: str, moment: str, client: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", place.env["XDG_RUNTIME_DIR"])
    killed: list[str] = []

    def kill() -> None:
        for each in client.containers(filters=place.owner.filters()):
            if not killed and which in (each["Labels"].get(names.NODE), each["Labels"][names.KIND]):
                killed.append(each["Id"])
                client.kill(each["Id"])
                with suppress(NotFound):  # removed already
                    client.wait(each["Id"], condition="removed", timeout=20)

    def say(text: str) -> None:
        if moment == "at once" and text.startswith("node "):
            with suppress(Exception):  # may be of a thread that the failure ends
                kill()

    def ask(lab: DockerLab, message: dict[str, Any]) -> Any:
        answer = asked(lab, message)
        if moment == "at last" and message.get("ports"):
            kill()
        return answer

    asked = DockerLab.ask
    monkeypatch.setattr(DockerLab, "ask", ask)
    words = "lab dying ended" if which == "helper" else f"node {which}: its container ended while lab dying came up"
    with pytest.raises(NotMeasuredError, match=words) as raised:
        DockerRuntime().up(two_lans(), name="dying", say=say)
    assert killed
    assert raised.value.problems[0].hint
    assert not place.left(client)


@pytest.fixture
def own(own_engine: OwnEngine, place: Place) -> Iterator[Callable[[], list[str]]]:
    """What there is of our labs in the tests' own Engine."""
    place.env["DOCKER_HOST"] = own_engine.host

    def left() -> list[str]:
        client = own_engine.client()
        try:
            return place.left(client)
        finally:
            client.close()

    yield left
    place.lab("down", "--all")
    assert not left()


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.tool("dockerd", "unshare", "nsenter")
@pytest.mark.parametrize("number", [signal.SIGTERM] + [signal.SIGKILL] * SOAK)
def test_an_engine_that_is_restarted(
    place: Place, own_engine: OwnEngine, own: Callable[[], list[str]], number: int
) -> None:
    place.lab("up", "two-lans")
    running = place.start("exec", "client", "--", "sh", "-c", "echo on; exec sleep 600")
    assert running.stdout is not None
    assert running.stdout.readline() == "on\n"
    own_engine.stop(number)
    running.communicate(timeout=30)
    assert running.returncode in (125, 137)
    assert "no Docker Engine answers" in place.lab("exec", "client", "--", "true", code=125)
    own_engine.start()
    assert json.loads(place.lab("ps", "--json")) == []
    assert not own()
    place.lab("up", "two-lans")
    place.lab("exec", "client", "--", "true")
    place.lab("down")


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.tool("dockerd", "unshare", "nsenter")
@pytest.mark.parametrize("free", [200 << 10] + [0] * SOAK)
def test_a_full_disk(place: Place, own_engine: OwnEngine, own: Callable[[], list[str]], free: int) -> None:
    filler = own_engine.disk / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(1 << 16)):
                pass
        os.truncate(filler, filler.stat().st_size - free)
        said = place.lab("up", "two-lans", code=3)
        assert "no space left on device" in said
        assert "docker system df" in said
        assert not own()
    finally:
        filler.unlink()
    place.lab("up", "two-lans")
    place.lab("down")


@pytest.mark.docker
@pytest.mark.root
@pytest.mark.tool("dockerd", "unshare", "nsenter", "iptables", "ip6tables")
@pytest.mark.parametrize(("version", "chain"), [(6, ("ip6tables", "FORWARD")), (4, ("iptables", "DOCKER-USER"))])
def test_a_firewall_that_drops_bridged_packets(
    place: Place, own_engine: OwnEngine, own: Callable[[], list[str]], version: int, chain: tuple[str, str]
) -> None:
    """What no packet can cross must not be held against a program in it."""
    both = str(ready_made() / "two-lans" / "both-families" / "topology.yaml")
    place.lab("up", both)
    router = "fd00:1::1" if version == 6 else "10.0.1.1"
    place.lab("exec", "two-lans-both-families", "client", "--", "ping", "-c1", "-W5", router)
    place.lab("down")
    command, name = chain
    own_engine.run(command, "-I", name, "-j", "DROP")
    try:
        said = place.lab("up", both, code=3)
        assert f"drop IPv{version} packets inside network lan" in said
        assert "sysctl net.bridge.bridge-nf-call-ip" in said
        assert not own()
        if version == 6:
            place.lab("up", "two-lans")
            place.lab("down")
    finally:
        own_engine.run(command, "-D", name, "-j", "DROP")

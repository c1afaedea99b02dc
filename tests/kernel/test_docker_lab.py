"""What is the Docker runtime's own: walls of its containers, its labels, what is left of dead labs, its refusals."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.catalog import folder as ready_made
from lab.errors import LabError, NotMeasuredError
from lab.plan import Plan, make_plan
from lab.runtime.base import LiveLab, Process, Program
from lab.runtime.docker import build, engine, names, remove
from lab.runtime.docker.runtime import DockerRuntime
from lab.topology import load_topology, parse_topology

pytestmark = pytest.mark.docker


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[DockerRuntime]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    made = DockerRuntime()
    yield made
    remove.everything(made._client, names.owner().filters())
    made._client.close()


@pytest.fixture
def up(runtime: DockerRuntime) -> Iterator[Callable[..., LiveLab]]:
    live: list[LiveLab] = []

    def bring(plan: Plan | None = None, **given: Any) -> LiveLab:
        live.append(runtime.up(plan or two_lans(), say=lambda _: None, **given))
        return live[-1]

    yield bring
    for lab in live:
        lab.close()


def two_lans() -> Plan:
    return make_plan(load_topology(ready_made() / "two-lans" / "topology.yaml"))


def python(lab: LiveLab, node: str, code: str, **given: Any) -> str:
    process = lab.start(Program(node, ["python3", "-c", code], **given))
    assert lab.wait(lambda: not process.running, 20)
    assert process.exit_code == 0, process.stderr.data.decode()
    return process.stdout.data.decode().strip()


def ours(runtime: DockerRuntime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    filters = names.owner().filters()
    return runtime._client.containers(all=True, filters=filters), runtime._client.networks(filters=filters)


@pytest.mark.parametrize("kind", ["step", "admin"])
def test_the_engines_resolver_is_out_of_reach(up: Callable[..., LiveLab], kind: str) -> None:
    lab = up()
    code = (
        "import socket, errno\n"
        "for kind, port in ((socket.SOCK_DGRAM, 53), (socket.SOCK_STREAM, 53)):\n"
        "    try: s = socket.socket(type=kind); s.settimeout(3); s.connect(('127.0.0.11', port)); print('reached')\n"
        "    except OSError as error: print(errno.errorcode[error.errno])"
    )
    assert python(lab, "client", code, kind=kind) == "EHOSTUNREACH\nEHOSTUNREACH"


def test_containers_are_locked_down_and_labelled(runtime: DockerRuntime, up: Callable[..., LiveLab]) -> None:
    up(name="walls")
    containers, networks = ours(runtime)
    kinds = sorted(each["Labels"][names.KIND] for each in containers)
    assert kinds == ["helper", "node", "node", "node"]
    assert sorted(each["Labels"][names.NETWORK] for each in networks) == ["lan", "wan"]
    assert {each["Labels"][names.LAB] for each in (*containers, *networks)} == {"walls"}
    for each in containers:
        config = runtime._client.inspect_container(each["Id"])["HostConfig"]
        assert not config["Privileged"]
        assert config["CapDrop"] == ["ALL"]
        assert "no-new-privileges" in config["SecurityOpt"]
        if each["Labels"][names.KIND] == "node":
            assert not config["CapAdd"]
            assert config["Memory"]
            assert config["PidsLimit"]
            assert config["NanoCpus"]


def test_a_step_counts_as_its_nodes(up: Callable[..., LiveLab]) -> None:
    lab = up()
    step = lab.start(Program("client", ["sleep", "60"]))
    find = lab.start(Program("client", ["sh", "-c", "cat /proc/$(pgrep -x sleep | tail -n1)/cgroup"], kind="admin"))
    assert lab.wait(lambda: not find.running, 20)
    own = lab.start(Program("client", ["cat", "/proc/1/cgroup"], kind="admin"))
    assert lab.wait(lambda: not own.running, 20)
    limiting = [
        [line for line in each.stdout.data.decode().splitlines() if line.split(":")[1] in ("", "memory", "pids")]
        for each in (find, own)
    ]
    assert limiting[0] == limiting[1] != []
    step.signal(9, tree=True)


def test_two_labs_of_equal_connections_at_once(up: Callable[..., LiveLab]) -> None:
    labs = [up(), up()]
    serve = (
        "import socket\n"
        "with socket.create_server(('', 7000)) as s:\n"
        "    print('on', flush=True)\n"
        "    c, _ = s.accept()\n"
        "    while data := c.recv(65536): c.sendall(data)"
    )
    ask = (
        "import socket\n"
        "c = socket.create_connection(('10.0.2.80', 7000), source_address=('', 40000))\n"
        "for n in range(300): c.sendall(b'%04d' % n); assert c.recv(4, socket.MSG_WAITALL) == b'%04d' % n\n"
        "print('all')"
    )
    servers = [lab.start(Program("server", ["python3", "-c", serve])) for lab in labs]
    for lab, server in zip(labs, servers, strict=True):
        assert lab.wait(lambda: b"on" in server.stdout.data, 20)  # noqa: B023
    clients: list[Process] = [lab.start(Program("client", ["python3", "-c", ask])) for lab in labs]
    for lab, client in zip(labs, clients, strict=True):
        assert lab.wait(lambda: not client.running, 20)  # noqa: B023
        assert client.stdout.data == b"all\n", client.stderr.data
    for server in servers:
        server.signal(9, tree=True)


def test_a_subnet_that_the_engines_filters_know_is_refused_or_works(up: Callable[..., LiveLab]) -> None:
    text = (
        "name: clash\nnetworks: {a: {subnet: 172.17.0.0/16}}\n"
        "nodes: {x: {role: host, interfaces: {eth0: a}}, y: {role: host, interfaces: {eth0: a}}}\n"
    )
    plan = make_plan(parse_topology(text, "clash.yaml"))
    try:
        lab = up(plan)
    except NotMeasuredError as error:
        assert "also that of the Docker network bridge" in str(error)  # noqa: PT017
    else:
        code = "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'x', ('y', 9))"
        python(lab, "x", code)


def test_what_a_dead_lab_left_is_cleared_and_nothing_else(runtime: DockerRuntime, up: Callable[..., LiveLab]) -> None:
    up(name="alive")
    labels = {**names.Names(names.owner(), "dead", "ffff", lasting=True).labels, names.MAKER: "elsewhere 1 1"}
    here = names.Names(names.owner(), "dead", "ffff", lasting=True)
    gone = {**labels, names.MAKER: f"{__import__('platform').node()}/earlier 1 1"}
    runtime._client.create_network(here.network("a"), labels=gone)
    other = names.Owner("somebody@else", "/there")
    theirs = runtime._client.create_network("lab-test-somebody-elses", labels={**gone, **other.labels})
    try:
        assert [info.name for info in runtime.labs()] == ["alive"]
        assert {each["Labels"][names.LAB] for each in ours(runtime)[1]} == {"alive"}
        assert runtime._client.networks(ids=[theirs["Id"]])
    finally:
        runtime._client.remove_network(theirs["Id"])


def test_a_taken_name_is_said(runtime: DockerRuntime) -> None:
    given = names.Names(names.owner(), "taken", "0", lasting=True)
    foreign = runtime._client.create_network(given.network("lan"))
    try:
        with pytest.raises(NotMeasuredError, match="already exists") as raised:
            runtime.up(two_lans(), name="taken", say=lambda _: None)
        assert "docker network ls" in raised.value.problems[0].hint
        assert ours(runtime) == ([], [])
    finally:
        runtime._client.remove_network(foreign["Id"])


def test_a_failure_in_the_middle_leaves_nothing(runtime: DockerRuntime, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise NotMeasuredError("no")

    monkeypatch.setattr(build.Builder, "_start_node", fail)
    with pytest.raises(NotMeasuredError):
        runtime.up(two_lans(), say=lambda _: None)
    assert ours(runtime) == ([], [])
    assert threading.active_count() < 20


@pytest.mark.parametrize(
    ("host", "words"), [("unix:///nowhere/docker.sock", "no Docker Engine answers"), ("tcp://127.0.0.1:1", "no Docker")]
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # the SDK forgets a socket that it could not connect
def test_no_engine_is_said(monkeypatch: pytest.MonkeyPatch, host: str, words: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    problems = DockerRuntime().problems()
    assert words in problems[0].what
    assert "systemctl start docker" in problems[0].hint
    with pytest.raises(NotMeasuredError, match=words):
        DockerRuntime().labs()
    gc.collect()


def test_an_engine_that_hangs_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    import socket

    monkeypatch.setattr(engine, "LIMIT", 1)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/s")
        with pytest.raises(LabError, match="did not answer within 1 s"):
            engine.connect()

"""Exercises of other shapes than the ready-made ones: IPv6, UDP, several steps, several exercises on one topology."""

from __future__ import annotations

from pathlib import Path

import pytest
from handin_runs import Run, run_files

from lab.checks.base import Outcome
from lab.exercise import load_exercise
from lab.report.text import report_lines

pytestmark = pytest.mark.kernel

TOPOLOGY = """
name: both
networks:
  lan: {subnet: [10.0.1.0/24, fd00:1::/64]}
  wan: {subnet: SUBNETS}
nodes:
  client: {role: client, interfaces: {eth0: lan}}
  other:  {role: host, interfaces: {eth0: lan}}
  r1:     {role: router, interfaces: {eth0: lan, eth1: wan}}
  server: {role: server, interfaces: {eth0: wan}}
"""
BOTH, SIX = "[10.0.2.0/24, fd00:2::/64]", "fd00:2::/64"
LISTENER = "{tcp: 7000, within: 1s}"
RUNS = "node: server, code: submission, run: [python3, server.py], background: true"
SERVER = f"- {{name: server, {RUNS}, ready: {LISTENER}}}"
CLIENT = "- {name: NAME, node: NODE, code: [client.py], run: [python3, client.py], timeout: 2s}"
ENDS = "from: client, to: server, port: 7000"
CHECKS = f"""
  - {{id: opened, check: tcp-handshake, {ENDS}, connection: WHICH, points: 1}}
  - {{id: echoed, check: tcp-data, {ENDS}, connection: WHICH, client_sends: "hi\\n", server_sends: "hi\\n", echo: true,
     points: 1}}
  - {{id: closed, check: tcp-close, {ENDS}, connection: WHICH, closes_first: client, points: 1}}
"""
ASK = """
import socket
with socket.create_connection(("server", 7000)) as connection:
    connection.sendall(b"hi\\n")
    connection.shutdown(socket.SHUT_WR)
    print(connection.recv(100))
    connection.recv(100)
"""
ECHO = """
import socket
with socket.create_server(("{address}", 7000), family=socket.{family}) as listener:
    while True:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)
"""
ANY_FOUR, ANY_SIX = ECHO.format(address="", family="AF_INET"), ECHO.format(address="", family="AF_INET6")
ALL = {"opened", "echoed", "closed"}


def one(node: str, name: str | None = None) -> str:
    return CLIENT.replace("NAME", name or node).replace("NODE", node)


def play(
    folder: Path,
    files: dict[str, str],
    *,
    steps: tuple[str, ...] = (SERVER, one("client")),
    checks: str = CHECKS,
    which: str = "only",
    subnets: str = BOTH,
    client: str = ASK,
) -> Run:
    """Write an exercise of these parts and run it with these files handed in."""
    where = folder / "net" / "exercise"
    where.mkdir(parents=True)
    (where.parent / "topology.yaml").write_text(TOPOLOGY.replace("SUBNETS", subnets))
    (where / "client.py").write_text(client)
    named = "\n".join(f"  {step}" for step in steps)
    head = f"version: 1\nname: shape\nsubmission: {{files: [{', '.join(files)}]}}\nsettle: 1s"
    text = f"{head}\nsteps:\n{named}\nchecks:{checks}".replace("WHICH", which)
    (where / "exercise.yaml").write_text(text)
    return run_files(load_exercise(where / "exercise.yaml"), dict(files), folder)


@pytest.mark.parametrize("subnets", [BOTH, SIX])
def test_a_server_that_takes_both_families(subnets: str, tmp_path: Path) -> None:
    found = play(tmp_path, {"server.py": ANY_SIX}, subnets=subnets)
    assert not found.failed, found.explain()
    assert found.grade.exit_code == 0, found.explain()


def test_a_client_that_is_refused_by_ipv6_and_goes_on_by_ipv4(tmp_path: Path) -> None:
    found = play(tmp_path, {"server.py": ANY_FOUR})
    assert not found.failed, found.explain()
    packets = found.evidence.captures["client:eth0"].packets
    assert {packet.version for packet in packets if packet.dport == 7000} == {4, 6}


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (ANY_FOUR, "server listened on port 7000 for IPv4 alone; packets arrive by IPv6"),
        (ECHO.format(address="::1", family="AF_INET6"), "server listened on [::1]:7000; packets arrive for fd00:2::"),
    ],
)
def test_who_listens_on_another_family_is_told_so(program: str, text: str, tmp_path: Path) -> None:
    found = play(tmp_path, {"server.py": program}, subnets=SIX)
    assert found.failed == ALL, found.explain()
    (root,) = found.grade.causes
    assert root.cause.kind == "wrong-address"
    assert text in root.cause.text


def test_a_program_on_another_node_proves_nothing(tmp_path: Path) -> None:
    """The exchange is perfect, and it is another node's."""
    found = play(tmp_path, {"server.py": ANY_SIX}, steps=(SERVER, one("other")))
    assert found.failed == ALL, found.explain()
    assert [root.cause.kind for root in found.grade.causes] == ["wrong-source"], found.explain()


def test_nobody_can_take_another_nodes_address(tmp_path: Path) -> None:
    program = ASK.replace("(\"server\", 7000))", "(\"server\", 7000), source_address=(\"10.0.1.10\", 0))")
    steps = (SERVER, "- {name: other, node: other, code: submission, run: [python3, spoof.py], timeout: 2s}")
    found = play(tmp_path, {"server.py": ANY_SIX, "spoof.py": program}, steps=steps)
    assert found.failed == ALL, found.explain()
    assert b"Cannot assign requested address" in found.evidence.steps["other"].stderr


@pytest.mark.parametrize(("which", "failed"), [("only", ALL), ("first", set()), ("every", set())])
def test_which_of_several_connections_is_meant(which: str, failed: set[str], tmp_path: Path) -> None:
    steps = (SERVER, one("client", "first"), one("client", "second"))
    found = play(tmp_path, {"server.py": ANY_SIX}, steps=steps, which=which)
    assert found.failed == failed, found.explain()


def test_every_connection_is_judged_where_every_one_is_meant(tmp_path: Path) -> None:
    """It serves one client, and leaves the second alone."""
    program = ANY_SIX.replace("    while True:\n", "    for _ in range(1):\n", 1) + HOLDS.replace("\n", "\n    ")
    program = program.replace("import time", "    import time")
    steps = (SERVER, one("client", "first"), one("client", "second"))
    found = play(tmp_path, {"server.py": program}, steps=steps, which="every")
    assert found.failed == {"echoed", "closed"}, found.explain()
    assert found.grade.causes[0].cause.kind == "never-answered", found.explain()


STOPPED = (
    SERVER,
    one("client").replace("timeout: 2s", "background: true, timeout: 2s"),
    "- {name: pause, wait: [client], timeout: 1s}",
    "- {name: end, stop: server}",
)
HOLDS = "import time\ntime.sleep(600)\n"


def test_a_close_that_our_signal_brought_about_does_not_count(tmp_path: Path) -> None:
    """The kernel of a stopped server closes in its stead; waiting for both programs does not change that."""
    program = ANY_SIX.replace("with connection:", "kept = connection\n        if connection:")
    found = play(tmp_path, {"server.py": program}, steps=STOPPED)
    assert found.failed == {"closed"}, found.explain()
    assert found.grade.causes[0].cause.kind == "never-closed", found.explain()


def test_a_right_server_that_is_stopped_in_the_end_passes(tmp_path: Path) -> None:
    found = play(tmp_path, {"server.py": ANY_SIX}, steps=STOPPED)
    assert not found.failed, found.explain()


DATAGRAMS = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
    server.bind(("", 7000))
    while True:
        data, address = server.recvfrom(4096)
        server.sendto(data, address)
"""
ASK_BY_DATAGRAM = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(0.5)
    client.sendto(b"hi", ("server", 7000))
    print(client.recv(100).decode())
"""
UDP_CHECKS = """
  - {id: there, check: path, from: client, to: server, via: [r1], back: [r1], protocol: udp, port: 7000, points: 1,
     hint: "who answers whom?"}
  - {id: printed, check: output, step: client, exit: 0, text: "hi", points: 1}
"""
UDP_SERVER = SERVER.replace("tcp: 7000", "udp: 7000")


@pytest.mark.parametrize(
    ("program", "failed", "kind"),
    [
        (DATAGRAMS, set(), ""),
        (HOLDS, {"there", "printed"}, "not-listening"),
        (ANY_FOUR, {"there", "printed"}, "tcp-for-udp"),
        ("", {"there", "printed"}, "ended-early"),
        (DATAGRAMS.replace("7000", "7001"), {"there", "printed"}, "wrong-port"),
        (DATAGRAMS.replace("server.sendto(data, address)", "pass"), {"there", "printed"}, "never-answered"),
        (DATAGRAMS.replace('("", 7000)', '("127.0.0.1", 7000)'), {"there", "printed"}, "wrong-address"),
        (DATAGRAMS.replace("sendto(data", "sendto(data * 2"), {"printed"}, "other-program"),
        ("1 / 0", {"there", "printed"}, "crashed"),
    ],
)
def test_datagrams(program: str, failed: set[str], kind: str, tmp_path: Path) -> None:
    steps = (UDP_SERVER, one("client"))
    found = play(tmp_path, {"server.py": program}, steps=steps, checks=UDP_CHECKS, client=ASK_BY_DATAGRAM)
    assert found.failed == failed, found.explain()
    assert not found.ids(Outcome.NOT_MEASURED), found.explain()
    assert found.root_cause == kind, found.explain()


def test_two_exercises_beside_one_topology(tmp_path: Path) -> None:
    """Both find the topology above them; the hint of a check is told with its failure, of the one that has it."""
    first = play(tmp_path, {"server.py": ANY_FOUR})
    net = tmp_path / "net"
    second = net / "second"
    second.mkdir()
    (second / "client.py").write_text(ASK)
    (second / "exercise.yaml").write_text(
        (net / "exercise" / "exercise.yaml").read_text()
        .replace("name: shape", "name: second")
        .replace('"hi\\n", echo: true', '"ho\\n", hint: "what is sent back?"')
    )  # fmt: skip
    assert {path.name for path in net.glob("*/topology.yaml")} == set(), "one topology for both"
    found = run_files(load_exercise(second / "exercise.yaml"), {"server.py": ANY_FOUR}, second)
    assert first.evidence.plan == found.evidence.plan
    assert (first.failed, found.failed) == (set(), {"echoed"}), found.explain()
    told = [line.text for line in report_lines(found.evidence, found.grade, "RUN")]
    assert "   hint: what is sent back?" in told
    assert not any("hint" in line.text for line in report_lines(first.evidence, first.grade, "RUN"))

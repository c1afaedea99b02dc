"""What networks do to frames, the same on every runtime: delay, rate, loss, and the faults of an exercise."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import pipeline
from lab.checks.base import Outcome
from lab.commands.link import link
from lab.commands.save import save
from lab.console import quiet
from lab.errors import LabError, NotMeasuredError
from lab.exercise import load_exercise
from lab.exercise.submission import read_submission
from lab.gather.capture import Captures
from lab.plan import Plan
from lab.runtime import RUNTIMES
from lab.runtime.base import LiveLab, Program, Runtime
from lab.topology import load_topology
from tests.contract.conftest import out, plan_of, python, run
from tests.contract.test_network import DUAL, SEND, SERVE, read

Up = Callable[[str | Plan], LiveLab]

PAIR = """
name: pair
networks:
  lan: {{subnet: 10.0.1.0/24, {link}}}
nodes:
  a: {{role: host, interfaces: {{eth0: lan}}}}
  b: {{role: host, interfaces: {{eth0: lan}}}}
"""
SLOW_DUAL = DUAL.replace("mtu: 1400", "mtu: 1400, delay: 2ms")


@pytest.mark.tool("ping")
def test_a_delay_holds_each_way(up: Up) -> None:
    lab = up(PAIR.format(link="delay: 20ms"))
    said = out(lab, "a", "ping", "-c", "3", "-W", "5", "b", kind="admin")
    assert float(said.rpartition(" = ")[2].split("/")[0]) >= 40


def test_a_rate_bounds_what_an_interface_receives(up: Up) -> None:
    lab = up(PAIR.format(link="rate: 8Mbit/s"))
    server = lab.start(Program("b", ["python3", "-c", SERVE, "0.0.0.0"]))
    started = time.monotonic()
    out(lab, "a", "python3", "-c", SEND, "b")
    assert lab.wait(lambda: not server.running, 20)
    assert server.stdout.data == b"1000000\n"
    assert 0.9 < time.monotonic() - started < 8


def test_the_same_frames_are_lost_in_every_run(up: Up) -> None:
    """Which ones is drawn from the names of the lab, the network and the interface that sends them."""
    fate = random.Random("pair lan a:eth0 loss")
    assert fate.random() >= 0.3, "the first frame asks for the MAC"
    expected = [number for number in range(100) if fate.random() >= 0.3]
    lab = up(PAIR.format(link="loss: 30%"))
    receive = (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(('', 9)); s.settimeout(20)\n"
        f"for _ in range({len(expected)}): print(s.recv(99).decode(), flush=True)"
    )
    # The MAC is known before the second datagram leaves: of what waits for it, a kernel keeps only so much.
    send = (
        "import socket, time; s = socket.socket(type=socket.SOCK_DGRAM); s.sendto(b'0', ('b', 9))\n"
        "until = time.monotonic() + 20\n"
        "while ' 0x2 ' not in open('/proc/net/arp').read() and time.monotonic() < until: time.sleep(0.01)\n"
        "for n in range(1, 100): s.sendto(b'%d' % n, ('b', 9))"
    )
    receiver = lab.start(Program("b", ["python3", "-c", receive], kind="admin"))
    assert lab.wait(
        lambda: any(each["port"] == 9 for each in lab.state(["b"], sockets_only=True)["b"]["sockets"]), 20, 0.01
    )
    python(lab, "a", send)
    assert lab.wait(lambda: not receiver.running, 20)
    assert [int(line) for line in receiver.stdout.data.split()] == expected


@pytest.mark.tool("tcpdump")
@pytest.mark.parametrize("to", ["10.0.2.80", "fd00:2::80"])
def test_frames_that_were_late_are_as_on_a_wire(up: Up, tmp_path: Path, to: str) -> None:
    lab = up(SLOW_DUAL)
    captures = Captures(lab, lab.plan.points, tmp_path)
    lab.wait(lambda: False, 1.5)
    assert set(captures.count()[0].values()) == {0}, "at rest it is silent"
    server = lab.start(Program("server", ["python3", "-c", SERVE, to]))
    out(lab, "client", "python3", "-c", SEND.replace("1_000_000", "60_000"), to)  # what a relay's socket has room for
    assert lab.wait(lambda: not server.running and lab.relay({})["waiting"] == 0, 20, 0.01)
    counts, gaps = captures.count()
    captures.stop()
    assert not gaps
    assert lab.relay({})["dropped"] == 0
    assert counts["server:eth0"] == counts["r1:eth1"]
    for point, interface in lab.plan.points.items():
        for packet in read(tmp_path / f"{point.replace(':', '.')}.pcap"):
            assert len(packet.data) == packet.length <= interface.mtu + 14
            assert (packet.checksum_ok, packet.ip_checksum_ok) in ((True, True), (True, None), (None, None))


@pytest.mark.parametrize("topology", ["two-lans", DUAL])
def test_a_network_that_the_relay_takes_stays_as_planned(up: Up, topology: str) -> None:
    lab = up(topology)
    nodes = [node.name for node in lab.plan.nodes]
    before = lab.state(nodes)
    report = lab.relay({"networks": ["lan", "wan"]})
    assert set(report["networks"]) == {"lan", "wan"}
    after = lab.state(nodes)
    for node in nodes:
        for kind in ("addresses", "routes", "sysctls"):
            assert after[node][kind] == before[node][kind]
        for interface in lab.plan.by_name[node].interfaces:
            assert "state UP" in out(lab, node, "ip", "link", "show", interface.name, kind="admin")
    assert "ttl=63" in out(lab, "client", "ping", "-c1", "-W5", "server", kind="admin")
    assert lab.relay({})["networks"]["wan"]["ports"]["r1:eth1"]["frames"] > 0


FAULTY = """
version: 1
name: faulty
topology: topology.yaml
submission: {{files: [idle.py]}}
steps:
{steps}
faults:
{faults}
checks:
{checks}
"""
ON_FRAMES = FAULTY.format(
    steps="""
  - {name: server, node: server, code: [server.py], run: [python3, server.py, "6"], background: true,
     ready: {udp: 9000}}
  - {name: client, node: client, code: [client.py], run: [python3, client.py, "1", "2", "3", "4", "5", "6"]}
  - {wait: server, timeout: 5s}
""",
    faults="""
  - {id: doubled, duplicate: udp, network: wan, nth: 3}
  - {id: late,    hold: udp, network: wan, nth: 4, for: 1s}
  - {id: lost,    drop: udp, network: wan, nth: 2}
""",
    checks="""
  - {id: lost,    check: fault, fault: lost, points: 1}
  - {id: doubled, check: fault, fault: doubled, points: 1}
  - {id: late,    check: fault, fault: late, points: 1}
""",
)
AT_MOMENTS = FAULTY.format(
    steps="""
  - {name: server, node: server, code: [server.py], run: [python3, server.py, "2"], background: true,
     ready: {udp: 9000}}
  - {name: one, node: client, code: [client.py], run: [python3, client.py, "1"]}
  - {name: two, node: client, code: [client.py], run: [python3, client.py, "2"]}
  - {name: three, node: client, code: [client.py], run: [python3, client.py, "3"]}
  - {wait: server, timeout: 5s}
""",
    faults="""
  - {id: away, cut: wan, before: two}
  - {id: back, restore: wan, before: three}
""",
    checks="""
  - {id: away, check: fault, fault: away, points: 1}
  - {id: back, check: fault, fault: back, points: 1}
""",
)
SERVER = """
import socket, sys
receiver = socket.socket(type=socket.SOCK_DGRAM)
receiver.bind(("", 9000))
for _ in range(int(sys.argv[1])):
    print(receiver.recv(99).decode(), flush=True)
"""
CLIENT = """
import socket, sys
sender = socket.socket(type=socket.SOCK_DGRAM)
for text in sys.argv[1:]:
    sender.sendto(text.encode(), ("server", 9000))
"""


@pytest.fixture
def exercise(tmp_path: Path) -> Callable[[str], Path]:
    """Lay down an exercise."""

    def lay(text: str) -> Path:
        folder = tmp_path / "faulty"
        (folder / "solution").mkdir(parents=True)
        (folder / "exercise.yaml").write_text(text)
        (folder / "topology.yaml").write_text(DUAL)
        (folder / "server.py").write_text(SERVER)
        (folder / "client.py").write_text(CLIENT)
        (folder / "solution" / "idle.py").write_text("")
        return folder

    return lay


def texts(run: Path, point: str) -> list[str]:
    return [packet.payload.decode() for packet in read(run / f"{point}.pcap") if packet.dport == 9000]


@pytest.mark.tool("tcpdump")
@pytest.mark.tool("bwrap")
@pytest.mark.parametrize("standing", [False, True], ids=["fresh", "standing"])
@pytest.mark.parametrize(
    ("text", "sent", "arrived"),
    [(ON_FRAMES, "123456", "133564"), (AT_MOMENTS, "123", "13")],
    ids=["on-frames", "at-moments"],
)
def test_a_fault_lies_between_the_senders_capture_and_the_receivers(
    runtime: Runtime,
    exercise: Callable[[str], Path],
    tmp_path: Path,
    text: str,
    sent: str,
    arrived: str,
    standing: bool,
) -> None:
    loaded = load_exercise(exercise(text))
    handed_in = read_submission(loaded, tmp_path / "faulty" / "solution")
    name = f"links-{secrets.token_hex(3)}" if standing else None
    if name:
        runtime.up(plan_of(DUAL), name=name, say=quiet).close()
    try:
        run = pipeline.run(loaded, handed_in, runtime, tmp_path / "runs", quiet, standing=name)
        if name:  # it is whole again
            lab = runtime.open(name)
            assert "ttl=63" in out(lab, "client", "ping", "-c1", "-W5", "server", kind="admin")
            lab.close()
    finally:
        if name:
            runtime.down(name)
    evidence, grade = pipeline.judge(run)
    assert not evidence.gaps
    assert [result.verdict.outcome for result in grade.results] == [Outcome.PASSED] * len(grade.results)
    assert texts(run, "client.eth0") == texts(run, "r1.eth1") == list(sent)
    assert texts(run, "server.eth0") == list(arrived)
    assert evidence.steps["server"].stdout.decode().split() == list(arrived)


@pytest.fixture
def lasting(runtime: Runtime) -> Iterator[str]:
    name = f"links-{secrets.token_hex(3)}"
    runtime.up(plan_of(PAIR.format(link="delay: 1ms")), name=name, say=quiet).close()
    yield name
    runtime.down(name)


@pytest.fixture(scope="module")
def netns_lab() -> Iterator[str]:
    chosen = RUNTIMES["netns"]()
    if problems := chosen.problems():
        pytest.skip(f"netns cannot work here: {problems[0]}")
    name = f"links-{secrets.token_hex(3)}"
    chosen.up(plan_of(PAIR.format(link="delay: 1ms")), name=name, say=quiet).close()
    yield name
    chosen.down(name)


@pytest.mark.tool("ping")
def test_a_lab_whose_relay_was_killed_says_so(runtime: Runtime, lasting: str) -> None:
    keeper = next(info.pid for info in runtime.labs() if info.name == lasting)
    lab = runtime.open(lasting)
    assert lab.relay({"links": {"lan": {"loss": 1.0}}})["networks"]["lan"]["link"] == {"loss": 1.0}
    assert lab.relay({"links": {"lan": {}}})["networks"]["lan"]["link"] == {}
    out(lab, "a", "ping", "-c1", "-W5", "b", kind="admin")
    os.kill(relay_of(keeper), signal.SIGKILL)
    with pytest.raises(NotMeasuredError, match="the relay, which carries this lab's links, has ended"):
        lab.relay({})
    lab.close()


BURST = 3900  # datagrams of a kilobyte: more than 8 MB as a socket's buffer counts them, and less than a ring has slots


def test_a_burst_waits_for_the_relay(runtime: Runtime, lasting: str) -> None:
    """Nothing is read meanwhile, as when another has the processor."""
    meet = (
        "import socket, time; socket.socket(type=socket.SOCK_DGRAM).sendto(b'0', ('b', 9))\n"
        "end = time.monotonic() + 20\n"
        "while ' 0x2 ' not in open('/proc/net/arp').read() and time.monotonic() < end: time.sleep(0.01)"
    )
    send = (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM); b = socket.gethostbyname('b')\n"
        f"for _ in range({BURST}): s.sendto(bytes(1024), (b, 9))"
    )
    keeper = next(info.pid for info in runtime.labs() if info.name == lasting)
    with contextlib.closing(runtime.open(lasting)) as lab:
        lab.relay({"links": {"lan": {}}})
        out(lab, "a", "python3", "-c", meet)
        relay = relay_of(keeper)
        os.kill(relay, signal.SIGSTOP)
        try:
            out(lab, "a", "python3", "-c", send)
        finally:
            os.kill(relay, signal.SIGCONT)

        def came() -> int:
            return int(lab.relay({})["networks"]["lan"]["ports"]["a:eth0"]["frames"])

        assert lab.wait(lambda: came() > BURST, 20, poll=0.05)
        assert lab.relay({})["dropped"] == 0


@pytest.mark.tool("ping")
def test_links_change_while_a_lab_is_up(
    runtime: Runtime, lasting: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def change(*words: str, cut: bool | None = None, plain: bool = False, **given: str) -> dict[str, Any]:
        link((lasting, *words), given, runtime.name, plain=plain, cut=cut, as_json=True)
        (found,) = json.loads(capsys.readouterr().out)["links"]
        return dict(found)

    assert change("lan") == {"network": "lan", "link": {"delay": 0.001}, "by": "relay", "cut": []}
    assert change("lan", delay="30ms", loss="0.1%")["link"] == {"delay": 0.03, "loss": 0.001}
    lab = runtime.open(lasting)
    said = out(lab, "a", "ping", "-c", "2", "-W", "5", "b", kind="admin")
    assert float(said.rpartition(" = ")[2].split("/")[0]) >= 60
    assert change("lan", plain=True, rate="5Mbit/s")["link"] == {"rate": 5_000_000}
    assert change("b:eth0", cut=True)["cut"] == ["b:eth0"]
    assert run(lab, "a", "ping", "-c1", "-W1", "b", kind="admin").exit_code == 1
    assert change("lan", cut=False)["cut"] == []
    out(lab, "a", "ping", "-c1", "-W5", "b", kind="admin")
    assert change("lan", cut=True, **{"for": "100ms"})["cut"] == ["a:eth0", "b:eth0"]
    assert lab.wait(lambda: not change("lan")["cut"], 5, 0.05)
    lab.close()
    save(lasting, str(tmp_path / "saved.yaml"), runtime.name)
    assert load_topology(tmp_path / "saved.yaml").networks[0].link.rate == 5_000_000


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("words", "given", "cut", "told"),
    [
        (["lan"], {"loss": "much"}, None, "--loss: "),
        (["lan"], {"profile": "wify"}, None, "did you mean wifi"),
        (["wan"], {"delay": "1ms"}, None, "no network or interface wan"),
        (["a:eth0"], {"loss": "1%"}, None, "a:eth0 can be cut and restored"),
        (["lan"], {"jitter": "2ms"}, None, "a jitter of 2ms is more than the delay of 1ms"),
        (["lan"], {"for": "1s"}, None, "how long a cut lasts"),
        ([], {}, True, "nothing says which link is meant"),
    ],
)
def test_what_no_link_can_be_is_refused_in_words(
    words: list[str], given: dict[str, str], cut: bool | None, told: str, netns_lab: str
) -> None:
    """The options are read the same way whatever carries the lab."""
    with pytest.raises(LabError) as caught:
        link((netns_lab, *words) if words else (), given, "netns", cut=cut)
    assert told in str(caught.value)


def relay_of(keeper: int | None) -> int:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name, _, rest = (entry / "stat").read_text().partition("(")[2].rpartition(")")
            except OSError:
                continue
            if name == "lab-relay" and int(rest.split()[1]) == keeper:
                return int(entry.name)
    raise AssertionError("there is no relay")

"""The network is what the plan says, on every runtime."""

from __future__ import annotations

import json
import os
import platform
import socket
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_interface
from pathlib import Path

import pytest

from lab.errors import NotMeasuredError
from lab.gather.capture import Captures, machine
from lab.plan import Plan
from lab.runtime.base import LiveLab, Program, Runtime
from lab.trace import pcap
from lab.trace.packets import Packet, decode
from tests.contract.conftest import out, plan_of, python, run

pytestmark = pytest.mark.tool("ip")
Up = Callable[[str | Plan], LiveLab]

DUAL = """
name: dual
networks:
  lan: {subnet: [10.0.1.0/24, fd00:1::/64]}
  wan: {subnet: [10.0.2.0/24, fd00:2::/64], mtu: 1400}
nodes:
  client: {role: client, interfaces: {eth0: lan}}
  r1: {role: router, interfaces: {eth0: lan, eth1: wan}}
  server: {role: server, interfaces: {eth0: {network: wan, address: [10.0.2.80, "fd00:2::80"], mac: 02:aa:bb:cc:dd:ee}}}
"""
FITTED = """
name: fitted
networks:
  lan: {subnet: 10.0.1.0/24, mtu: 700}
nodes:
  one:
    role: host
    interfaces: {uplink: lan}
    sysctls: {net.ipv4.tcp_syn_retries: 1, net.ipv4.conf.uplink.log_martians: 1}
    files: {/etc/motd.lab: "made for one\\n", /srv/www/index.html: "<p>hello</p>\\n"}
  two: {role: host, interfaces: {eth0: lan}}
"""

SET_UP = """
name: set-up
networks:
  lan: {subnet: 10.0.1.0/24}
nodes:
  one:
    role: host
    interfaces: {eth0: lan}
    setup:
      - [ip, address, add, 192.0.2.1/24, dev, eth0]
      - [ip, route, add, 198.51.100.0/24, via, 192.0.2.7]
      - ip neigh add 192.0.2.7 lladdr 02:00:00:00:99:99 dev eth0 nud permanent
      - nft add table ip lab && nft add chain ip lab out '{ type filter hook output priority 0; }'
  two: {role: host, interfaces: {eth0: lan}}
"""


@pytest.mark.parametrize("topology", ["one-lan", "two-lans", "three-routers", "triangle", DUAL])
def test_interfaces_are_as_planned(up: Up, topology: str) -> None:
    lab = up(topology)
    for node in lab.plan.nodes:
        told = {each["ifname"]: each for each in json.loads(out(lab, node.name, "ip", "-j", "addr", kind="admin"))}
        assert set(told) == {"lo", *(interface.name for interface in node.interfaces)}
        for interface in node.interfaces:
            found = told[interface.name]
            assert found["address"] == interface.mac
            assert found["mtu"] == interface.mtu
            assert found["operstate"] == "UP"
            chosen = {
                ip_interface(f"{a['local']}/{a['prefixlen']}") for a in found["addr_info"] if a["scope"] == "global"
            }
            assert chosen == set(interface.addresses)


@pytest.mark.parametrize("topology", ["two-lans", "three-routers", "triangle", DUAL])
def test_the_kernel_state_is_the_plan(up: Up, topology: str) -> None:
    lab = up(topology)
    state = lab.state([node.name for node in lab.plan.nodes])
    for node in lab.plan.nodes:
        told = {
            (route["to"], route["via"], route["interface"]) for route in state[node.name]["routes"] if "via" in route
        }
        assert told == {(str(route.to), str(route.via), route.interface) for route in node.routes}
        assert state[node.name]["sysctls"]["net.ipv4.ip_forward"] == ("1" if node.forwards else "0")
        assert state[node.name]["neighbours"] == []
        assert state[node.name]["sockets"] == []


ROUTES = """
10.3.0.0/16 via 10.0.1.10 table 100
10.4.0.0/16 nexthop via 10.0.1.10 nexthop via 10.0.1.11
10.5.0.0/16 via 10.0.1.11 metric 50
10.5.0.0/16 via 10.0.1.10 metric 20
blackhole 10.6.0.0/16
throw 10.7.0.0/16
-6 fd00:4::/64 nexthop via fd00:1::10 nexthop via fd00:1::11
-6 unreachable fd00:6::/64
"""


def test_odd_routes_are_told_as_they_are(up: Up) -> None:
    lab = up(DUAL)
    for line in ROUTES.strip().splitlines():
        words = line.removeprefix("-6 ").split()
        out(lab, "r1", "ip", *(["-6"] if line.startswith("-6") else []), "route", "add", *words, kind="admin")
    odd = [route for route in lab.state(["r1"])["r1"]["routes"] if route.get("via") or route.get("type")]
    assert sorted((route["to"], route.get("via") or route["type"], route.get("metric", 0)) for route in odd) == [
        ("10.4.0.0/16", "10.0.1.10", 0),
        ("10.4.0.0/16", "10.0.1.11", 0),
        ("10.5.0.0/16", "10.0.1.10", 20),
        ("10.5.0.0/16", "10.0.1.11", 50),
        ("10.6.0.0/16", "blackhole", 0),
        ("10.7.0.0/16", "throw", 0),
        ("fd00:4::/64", "fd00:1::10", 1024),
        ("fd00:4::/64", "fd00:1::11", 1024),
        ("fd00:6::/64", "unreachable", 1024),
    ]


@pytest.mark.parametrize("kind", ["step", "admin"])
def test_names_resolve_everywhere(up: Up, kind: str) -> None:
    lab = up("two-lans")
    for node in lab.plan.nodes:
        for other in lab.plan.nodes:
            answer = python(lab, node.name, f"import socket; print(socket.gethostbyname('{other.name}'))", kind=kind)
            assert answer.strip() in {str(address.ip) for i in other.interfaces for address in i.addresses}
        assert out(lab, node.name, "hostname", kind=kind).strip() == node.name


@pytest.mark.tool("ping")
@pytest.mark.parametrize(("topology", "ttl"), [("one-lan", 64), ("two-lans", 63), ("three-routers", 61)])
def test_routers_forward(up: Up, topology: str, ttl: int) -> None:
    lab = up(topology)
    first = lab.plan.nodes[0].name
    last = [node for node in lab.plan.nodes if not node.forwards][-1]
    said = out(lab, first, "ping", "-c1", "-W5", str(last.interfaces[0].addresses[0].ip), kind="admin")
    assert f"ttl={ttl}" in said


@pytest.mark.tool("ping")
def test_both_families_cross_a_router(up: Up) -> None:
    lab = up(DUAL)
    assert "ttl=63" in out(lab, "client", "ping", "-c1", "-W5", "10.0.2.80", kind="admin")
    assert "ttl=63" in out(lab, "client", "ping", "-c1", "-W5", "fd00:2::80", kind="admin")


@pytest.mark.tool("ping")
def test_a_host_does_not_forward(up: Up) -> None:
    lab = up(
        "name: t\nnetworks: {a: {subnet: 10.0.1.0/24}, b: {subnet: 10.0.2.0/24}}\nrouting: manual\n"
        "routes: {one: [{to: 10.0.2.0/24, via: 10.0.1.9}], two: [{to: 10.0.1.0/24, via: 10.0.2.9}]}\n"
        "nodes:\n  one: {role: host, interfaces: {eth0: a}}\n"
        "  two: {role: host, interfaces: {eth0: {network: b, address: 10.0.2.2}}}\n"
        "  mid:\n    role: host\n"
        "    interfaces: {eth0: {network: a, address: 10.0.1.9}, eth1: {network: b, address: 10.0.2.9}}\n"
    )
    assert run(lab, "one", "ping", "-c1", "-W1", "10.0.2.2", kind="admin").exit_code == 1


SEND_BROADCAST = """
import socket
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("eth0", 0))
raw.send(b"\\xff" * 6 + bytes.fromhex("020000000100") + b"\\x88\\xb5" + b"x" * 50)
"""


@pytest.mark.tool("tcpdump")
def test_a_broadcast_reaches_its_segment_and_nobody_else(up: Up, tmp_path: Path) -> None:
    lab, other = up("two-lans"), up("two-lans")
    captures = Captures(lab, lab.plan.points, tmp_path)
    (tmp_path / "other").mkdir()
    elsewhere = Captures(other, other.plan.points, tmp_path / "other")
    python(lab, "client", SEND_BROADCAST, kind="admin")
    counts, gaps = captures.count()
    assert not gaps
    assert counts == {"client:eth0": 1, "r1:eth0": 1, "r1:eth1": 0, "server:eth0": 0}
    assert set(elsewhere.count()[0].values()) == {0}
    captures.stop()
    elsewhere.stop()


@pytest.mark.tool("tcpdump")
@pytest.mark.parametrize("topology", ["two-lans", DUAL])
def test_a_lab_at_rest_is_silent(up: Up, tmp_path: Path, topology: str) -> None:
    lab = up(topology)
    captures = Captures(lab, lab.plan.points, tmp_path)
    lab.wait(lambda: False, 1.5)
    assert set(captures.count()[0].values()) == {0}
    captures.stop()


SERVE = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.create_server((sys.argv[1], 9000), family=family) as listener:
    connection, _ = listener.accept()
    total = 0
    while data := connection.recv(65536):
        total += len(data)
    print(total)
"""
SEND = """
import socket, sys, time
for _ in range(500):
    try:
        connection = socket.create_connection((sys.argv[1], 9000))
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
connection.sendall(b"x" * 1_000_000)
connection.close()
"""


@pytest.mark.tool("tcpdump")
@pytest.mark.parametrize("to", ["10.0.2.80", "fd00:2::80"])
def test_frames_are_as_on_a_wire(up: Up, tmp_path: Path, to: str) -> None:
    lab = up(DUAL)
    captures = Captures(lab, lab.plan.points, tmp_path)
    server = lab.start(Program("server", ["python3", "-c", SERVE, to]))
    out(lab, "client", "python3", "-c", SEND, to)
    assert lab.wait(lambda: not server.running, 20)
    assert server.stdout.data == b"1000000\n"
    counts, gaps = captures.count()
    captures.stop()
    assert not gaps
    assert all(not each.dropped for each in captures.counts().values())
    assert counts["client:eth0"] == counts["r1:eth0"]
    assert counts["server:eth0"] == counts["r1:eth1"]
    for point, interface in lab.plan.points.items():
        packets = read(tmp_path / f"{point.replace(':', '.')}.pcap")
        assert len(packets) == counts[point]
        for packet in packets:
            assert packet.length <= interface.mtu + 14
            assert len(packet.data) == packet.length
            assert packet.refusal is None
            assert packet.checksum_ok in (True, None)
            assert packet.ip_checksum_ok in (True, None)


def read(path: Path) -> list[Packet]:
    with path.open("rb") as stream:
        return [decode(*frame) for frame in pcap.open_trace(stream)]


@pytest.mark.tool("tcpdump")
def test_a_burst_just_before_the_end_is_all_there(up: Up, tmp_path: Path) -> None:
    lab = up("two-lans")
    captures = Captures(lab, lab.plan.points, tmp_path)
    burst = (
        "import socket; s = socket.socket(type=socket.SOCK_DGRAM)\n"
        "for n in range(300): s.sendto(b'%d' % n, ('server', 9))"
    )
    python(lab, "client", burst)
    counts, gaps = captures.count()
    captures.stop()
    assert not gaps
    sent = [packet.payload for packet in read(tmp_path / "client.eth0.pcap") if packet.dport == 9]
    assert sent == [b"%d" % n for n in range(300)]
    assert counts["client:eth0"] >= 300


@pytest.mark.tool("tcpdump")
def test_what_a_tool_writes_is_bounded(up: Up, tmp_path: Path) -> None:
    lab = up("two-lans")
    with (tmp_path / "bounded").open("wb") as file:
        argv = ["head", "-c", "300000", "/dev/zero"]
        tool = lab.start(Program("client", argv, kind="tool", stdout=file.fileno(), file_size=70_000))
        assert lab.wait(lambda: not tool.running, 20)
    assert (tmp_path / "bounded").stat().st_size == 70_000


@pytest.mark.tool("tcpdump")
def test_the_machine_that_captures_is_told(up: Up) -> None:
    told = machine(up("one-lan"))
    assert told.kernel == platform.release()
    assert told.tcpdump.startswith("tcpdump version")
    assert "libpcap version" in told.tcpdump


def test_the_host_cannot_be_reached(up: Up) -> None:
    lab = up("two-lans")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        code = f"import socket; s = socket.socket(); s.settimeout(2); print(s.connect_ex(('127.0.0.1', {port})))"
        assert python(lab, "client", code).strip() == "111"
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_topologys_own_settings_hold(up: Up) -> None:
    lab = up(FITTED)
    for kind in ("admin", "step"):
        assert out(lab, "one", "cat", "/etc/motd.lab", kind=kind) == "made for one\n"
        assert out(lab, "one", "cat", "/srv/www/index.html", kind=kind) == "<p>hello</p>\n"
        assert run(lab, "two", "cat", "/etc/motd.lab", kind=kind).exit_code == 1
    assert out(lab, "one", "cat", "/proc/sys/net/ipv4/tcp_syn_retries", kind="admin").strip() == "1"
    assert out(lab, "one", "cat", "/proc/sys/net/ipv4/conf/uplink/log_martians", kind="admin").strip() == "1"
    assert out(lab, "two", "cat", "/proc/sys/net/ipv4/tcp_syn_retries", kind="admin").strip() != "1"
    assert not Path("/etc/motd.lab").exists()


def test_a_topologys_commands_have_run_in_order_as_administrator(up: Up) -> None:
    lab = up(SET_UP)
    assert "192.0.2.7" in out(lab, "one", "ip", "route", kind="admin")
    assert "PERMANENT" in out(lab, "one", "ip", "neigh", kind="admin")
    assert "hook output" in out(lab, "one", "nft", "list", "ruleset", kind="admin")
    assert out(lab, "two", "nft", "list", "ruleset", kind="admin") == ""


@pytest.mark.parametrize(
    ("command", "told"),
    [(["ip", "route", "add", "nonsense"], "exit code"), (["no-such-program"], "no-such-program")],
)
def test_a_command_that_fails_keeps_the_lab_down(command: list[str], told: str, runtime: Runtime) -> None:
    """A lab that is not as its file says would give wrong verdicts."""
    plan = plan_of("one-lan")
    node = replace(plan.nodes[0], setup=(("true",), tuple(command)))
    lasting = f"never-up-{os.getpid()}"
    for name in (None, lasting):
        with pytest.raises(NotMeasuredError, match=told):
            runtime.up(replace(plan, nodes=(node, *plan.nodes[1:])), name=name, say=lambda _: None)
    assert lasting not in {info.name for info in runtime.labs()}


def test_a_refused_plan_says_what_the_kernel_refused(runtime: Runtime) -> None:
    plan = plan_of("two-lans")
    node = replace(plan.nodes[0], sysctls=(*plan.nodes[0].sysctls, ("net.ipv4.no_such_thing", "1")))
    with pytest.raises(NotMeasuredError, match="no_such_thing"):
        runtime.up(replace(plan, nodes=(node, *plan.nodes[1:])), say=lambda _: None)

"""The floor for grading a class: `class_floor.py FOLDER WIDTH [AGAIN…]` runs each FOLDER/*/server.py as tcp-echo would.

Independent of the code that it is held against: a process a submission, three fresh network namespaces wired by bare
netlink messages, the same client and server under bubblewrap, tcpdump at the same four interfaces, proved listening,
the same time limits, as many side by side; then those of AGAIN once more, with nothing beside them. It leaves
out what grading has beyond that: seccomp and resource limits, draining and counting captures, the kernel's state
before and after, a record of the run, judging, results.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from reference import LIBC, NEWNET, attribute, link, request

CLIENT = Path(__file__).parents[2] / "topologies" / "two-lans" / "tcp-echo" / "client.py"
PORT = 7000
TEXT = b"ktepzljj\npvwdjrdt\n"
READY, CLIENT_LIMIT, SETTLE = 5.0, 5.0, 1.0  # seconds, as in the exercise
HOSTS = "127.0.0.1 localhost\n10.0.1.10 client\n10.0.1.1 r1\n10.0.2.80 server\n"
POINTS = (("client", "eth0"), ("r1", "eth0"), ("r1", "eth1"), ("server", "eth0"))


class Net:
    """The three nodes, as namespaces."""

    def __init__(self) -> None:
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.nodes: dict[str, int] = {}
        self.netlink: dict[str, socket.socket] = {}
        for node in ("client", "r1", "server"):
            if LIBC.unshare(NEWNET):
                raise OSError("unshare")
            self.nodes[node] = os.open("/proc/self/ns/net", os.O_RDONLY)
            self.netlink[node] = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
            request(self.netlink[node], 16, 0, link(1, b"", 1))
            if node == "r1":
                Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        self._pair("client", "10.0.1.10", b"eth0", "10.0.1.1", 2)
        self._pair("server", "10.0.2.80", b"eth1", "10.0.2.1", 3)

    def _pair(self, host: str, address: str, router_end: bytes, gateway: str, index: int) -> None:
        peer = link(index, attribute(3, router_end + b"\0") + attribute(28, struct.pack("=I", self.nodes["r1"])), 0)
        kind = attribute(1, b"veth\0") + attribute(2, attribute(1, peer))
        request(self.netlink[host], 16, 0x600, link(2, attribute(3, b"eth0\0") + attribute(18, kind), 1))
        request(self.netlink["r1"], 16, 0, link(index, b"", 1))
        for node, where, own in ((host, 2, address), ("r1", index, gateway)):
            raw = socket.inet_aton(own)
            body = struct.pack("=BBBBI", socket.AF_INET, 24, 0, 0, where) + attribute(2, raw) + attribute(1, raw)
            request(self.netlink[node], 20, 0x600, body)
        via = attribute(5, socket.inet_aton(gateway)) + attribute(4, struct.pack("=I", 2))
        route = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 254, 3, 0, 1, 0) + via
        request(self.netlink[host], 24, 0x600, route)

    def start(self, node: str, words: list[str], **streams: int) -> subprocess.Popen[bytes]:
        LIBC.setns(self.nodes[node], NEWNET)
        return subprocess.Popen(words, **streams)  # type: ignore[call-overload, no-any-return]

    def sockets(self, node: str) -> list[tuple[int, str]]:
        """Each TCP socket's local port and state."""
        LIBC.setns(self.nodes[node], NEWNET)
        lines = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
        words = [line.split() for line in lines]
        return [(int(each[1].rpartition(":")[2], 16), each[3]) for each in words]


def bwrap(folder: Path, hosts: Path, *argv: str) -> list[str]:
    words = ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-cgroup-try", "--uid", "1000"]
    words += ["--gid", "1000", "--die-with-parent", "--new-session", "--clearenv", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), f"/{name}"]
        elif path.is_dir():
            words += ["--ro-bind", f"/{name}", f"/{name}"]
    words += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--ro-bind", str(hosts), "/etc/hosts"]
    words += ["--bind", str(folder), "/work", "--chdir", "/work", "--setenv", "PATH", "/usr/bin:/bin"]
    words += ["--setenv", "PYTHONUNBUFFERED", "1", "--setenv", "PYTHONDONTWRITEBYTECODE", "1"]
    return [*words, "--", *argv]


def wait_for(condition: Callable[[], bool], limit: float) -> bool:
    until = time.monotonic() + limit
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.005)
    return True


def one(server: Path) -> None:
    """Run a submission."""
    with tempfile.TemporaryDirectory(prefix="floor-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)
        (folder / "hosts").write_text(HOSTS)
        for name, source in (("server", server), ("client", CLIENT)):
            (folder / name).mkdir()
            (folder / name).chmod(0o777)
            (folder / name / source.name).write_bytes(source.read_bytes())
        net = Net()
        dumps = []
        for node, interface in POINTS:
            words = ["tcpdump", "-i", interface, "-n", "-U", "--immediate-mode", "-s", "1628", "-B", "4096"]
            words += ["--time-stamp-precision=nano", "-w", str(folder / f"{node}.{interface}.pcap")]
            dumps.append(net.start(node, words, stderr=subprocess.PIPE))
        for dump in dumps:
            assert dump.stderr is not None
            while b"listening on" not in dump.stderr.readline():
                assert dump.poll() is None
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        words = bwrap(folder / "server", folder / "hosts", "python3", "server.py", str(PORT))
        serving = net.start("server", words, **quiet)
        wait_for(lambda: (PORT, "0A") in net.sockets("server") or serving.poll() is not None, READY)
        words = bwrap(folder / "client", folder / "hosts", "python3", "client.py", "server", str(PORT))
        asking = net.start("client", words, stdin=subprocess.PIPE, **quiet)
        try:
            asking.communicate(TEXT, CLIENT_LIMIT)
        except subprocess.TimeoutExpired:
            asking.kill()
            asking.wait()
        at_rest = {"0A", "06"}
        wait_for(
            lambda: all(state in at_rest for node in ("client", "server") for _, state in net.sockets(node)), SETTLE
        )
        for dump in dumps:
            dump.send_signal(signal.SIGINT)
        serving.kill()
        for process in (*dumps, serving):
            process.wait()


def side_by_side(servers: list[Path], width: int) -> None:
    """Run all, each in a process of its own."""
    waiting, running = list(servers), dict[int, Path]()
    while waiting or running:
        while waiting and len(running) < width:
            server = waiting.pop(0)
            pid = os.fork()
            if pid == 0:
                code = 1
                try:
                    one(server)
                    code = 0
                except BaseException:
                    traceback.print_exc()
                os._exit(code)
            running[pid] = server
        pid, status = os.wait()
        server = running.pop(pid)
        assert os.waitstatus_to_exitcode(status) == 0, server


if __name__ == "__main__":
    found = sorted(Path(sys.argv[1]).glob("*/server.py"))
    side_by_side(found, int(sys.argv[2]))
    side_by_side([each for each in found if each.parent.name in sys.argv[3:]], 1)

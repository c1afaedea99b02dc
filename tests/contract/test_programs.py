"""Programs on nodes: what they get, what they may do, how they end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from lab.errors import LabError
from lab.plan import Plan
from lab.runtime.base import Limits, LiveLab, Program
from tests.contract.conftest import out, python, run

Up = Callable[[str | Plan], LiveLab]

PAIR = """
name: pair
networks: {lan: {subnet: 10.0.1.0/24}}
nodes:
  a: {role: host, interfaces: {eth0: lan}}
  b: {role: host, interfaces: {eth0: lan}}
"""


@pytest.mark.parametrize("kind", ["step", "admin"])
@pytest.mark.parametrize("code", [0, 1, 7, 255])
def test_the_exit_code_comes_back(up: Up, kind: str, code: int) -> None:
    assert run(up(PAIR), "a", "sh", "-c", f"exit {code}", kind=kind).exit_code == code


@pytest.mark.parametrize("kind", ["step", "admin"])
def test_a_signal_is_128_and_its_number(up: Up, kind: str) -> None:
    assert run(up(PAIR), "a", "sh", "-c", "kill -SEGV $$", kind=kind).exit_code == 128 + signal.SIGSEGV


@pytest.mark.parametrize("kind", ["step", "admin"])
def test_stdin_reaches_the_program(up: Up, kind: str) -> None:
    content = os.urandom(5_000_000)
    lab = up(PAIR)
    code = "import sys, hashlib; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())"
    import hashlib

    assert python(lab, "a", code, kind=kind, stdin=content).strip() == hashlib.sha256(content).hexdigest()
    assert python(lab, "a", "import sys; print(sys.stdin.read() == '')", kind=kind).strip() == "True"


def test_output_is_kept_up_to_a_limit_and_counted_beyond(up: Up) -> None:
    process = run(up(PAIR), "a", "sh", "-c", "head -c 3000000 /dev/zero; echo bad >&2", keep=100_000)
    assert len(process.stdout.data) == 100_000
    assert process.stdout.lost == 2_900_000
    assert process.stderr.data == b"bad\n"


@pytest.mark.parametrize("kind", ["admin", "tool"])
def test_a_missing_program_is_named(up: Up, kind: str) -> None:
    with pytest.raises(LabError, match="no-such-program"):
        up(PAIR).start(Program("a", ["no-such-program"], kind=kind))  # type: ignore[arg-type]


def test_a_signal_reaches_the_program_or_its_tree(up: Up) -> None:
    lab = up(PAIR)
    waiting = (
        "import signal, sys\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\nprint('on', flush=True)\nsignal.pause()"
    )
    for tree in (False, True):
        process = lab.start(Program("a", ["python3", "-c", waiting], kind="admin" if not tree else "step"))
        assert lab.wait(lambda: b"on" in process.stdout.data, 10)  # noqa: B023
        process.signal(signal.SIGTERM, tree=tree)
        assert lab.wait(lambda: process.exit_code is not None, 10)  # noqa: B023
        assert process.exit_code == 5


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
print("started", flush=True)
time.sleep(600)
"""


def test_killing_the_tree_ends_its_daemons(up: Up) -> None:
    lab = up(PAIR)
    process = lab.start(Program("a", ["python3", "-c", DAEMON]))
    assert lab.wait(lambda: b"started" in process.stdout.data, 10)
    assert "sleep(600)" in out(lab, "a", "ps", "axww", kind="admin")
    process.signal(signal.SIGKILL, tree=True)
    assert lab.wait(lambda: not process.running, 10)
    assert "sleep(600)" not in out(lab, "a", "ps", "axww", kind="admin")


def test_a_daemon_ends_with_its_step(up: Up) -> None:
    lab = up(PAIR)
    out(lab, "a", "python3", "-c", DAEMON.replace('time.sleep(600)\n"""', "").rpartition("time.sleep")[0])
    assert "sleep(600)" not in out(lab, "a", "ps", "axww", kind="admin")


def test_a_step_has_no_capability_and_no_way_to_one(up: Up) -> None:
    lab = up(PAIR)
    status = out(lab, "a", "cat", "/proc/self/status")
    for line in status.splitlines():
        if line.startswith(("CapEff", "CapPrm", "CapAmb", "CapInh")):
            assert line.split()[1] == "0" * 16
        if line.startswith("NoNewPrivs"):
            assert line.split()[1] == "1"
    for try_it in ("unshare -Ur true", "mount -t tmpfs none /tmp", "ip link set eth0 down", "hostname other"):
        assert run(lab, "a", "sh", "-c", try_it).exit_code != 0
    raw = (
        "import socket\ntry: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nexcept PermissionError: print('refused')"
    )
    assert python(lab, "a", raw) == "refused\n"


CALLS = """
import ctypes, errno, os, platform, socket
libc = ctypes.CDLL(None, use_errno=True)
column = ("x86_64", "aarch64").index(platform.machine())
for name, numbers, *words in (
    ("ptrace", (101, 117), 0), ("keyctl", (250, 219), 0), ("io_uring_setup", (425, 425), 1), ("unshare", (272, 97), 0),
    ("clone untraced", (56, 220), 0x800000 | 17), ("clone3", (435, 435), 0), ("bpf", (321, 280), 0),
    ("ioctl TIOCSTI", (16, 29), 0, 0x5412),
):
    ctypes.set_errno(0)
    result = libc.syscall(numbers[column], *(ctypes.c_long(word) for word in words), 0, 0, 0)
    print(name, result, errno.errorcode.get(ctypes.get_errno()))
for family in (socket.AF_VSOCK, socket.AF_ALG):
    try:
        socket.socket(family, socket.SOCK_STREAM if family == socket.AF_VSOCK else socket.SOCK_SEQPACKET)
    except OSError as error:
        print(family.name, errno.errorcode[error.errno])
"""


def test_ways_around_the_walls_are_refused(up: Up) -> None:
    told = python(up(PAIR), "a", CALLS).splitlines()
    assert told == [
        *("ptrace -1 EPERM", "keyctl -1 EPERM", "io_uring_setup -1 EPERM", "unshare -1 EPERM"),
        *("clone untraced -1 EPERM", "clone3 -1 ENOSYS", "bpf -1 EPERM", "ioctl TIOCSTI -1 EPERM"),
        *("AF_VSOCK EAFNOSUPPORT", "AF_ALG EAFNOSUPPORT"),
    ]


def test_threads_and_processes_work_in_the_sandbox(up: Up) -> None:
    code = (
        "import threading, subprocess, multiprocessing as m\n"
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
        "p = m.get_context('fork').Process(target=print, args=('process',)); p.start(); p.join()\n"
        "print(subprocess.check_output(['echo', 'child'], text=True).strip())"
    )
    assert python(up(PAIR), "a", code).split() == ["thread", "process", "child"]


def test_a_step_sees_its_own_world_only(up: Up, tmp_path: object) -> None:
    lab = up(PAIR)
    lab.put("a", "mine", {"inside.txt": b"x"})
    assert set(out(lab, "a", "ls", "-A", "/", folder="mine").split()) <= {
        *("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "tmp", "usr", "work")
    }
    assert out(lab, "a", "ls", "-A", ".", folder="mine") == "inside.txt\n"
    assert out(lab, "a", "ls", "-A", "/tmp") == ""
    processes = [line for line in out(lab, "a", "ps", "axww").splitlines()[1:] if "bwrap" not in line]
    assert len(processes) == 1
    env = dict(line.split("=", 1) for line in out(lab, "a", "env").splitlines())
    assert set(env) == {
        "PATH",
        "HOME",
        "LANG",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "TMPDIR",
        "USER",
        "LOGNAME",
        "PWD",
    }
    assert out(lab, "a", "sh", "-c", "ls /home /root /var /sys 2>/dev/null; true") == ""


def test_the_system_cannot_be_written_to(up: Up) -> None:
    lab = up(PAIR)
    for path in ("/x", "/etc/x", "/usr/x", "/etc/hosts", "/dev/x", "/proc/sys/net/ipv4/ip_forward"):
        assert run(lab, "a", "sh", "-c", f"echo x > {path}").exit_code != 0, path


def test_steps_of_one_folder_share_it_and_others_do_not(up: Up) -> None:
    lab = up(PAIR)
    lab.put("a", "one", {"hello.sh": b"#!/bin/sh\necho built > made\n", "sub/dir/data": b"1"})
    out(lab, "a", "./hello.sh", folder="one")
    assert out(lab, "a", "cat", "made", "sub/dir/data", folder="one") == "built\n1"
    lab.put("a", "two", {"z": b""})
    assert run(lab, "a", "cat", "made", folder="two").exit_code == 1
    assert run(lab, "b", "cat", "made", folder="one").exit_code == 1


@pytest.mark.tool("gcc")
def test_a_c_program_is_built_and_run_in_the_sandbox(up: Up) -> None:
    lab = up(PAIR)
    source = b'#include <stdio.h>\nint main(void) { puts("from C"); return 3; }\n'
    lab.put("a", "code", {"program.c": source})
    out(lab, "a", "gcc", "-o", "program", "program.c", folder="code")
    process = run(lab, "a", "./program", folder="code")
    assert (process.exit_code, process.stdout.data) == (3, b"from C\n")


@pytest.mark.parametrize(
    "code",
    [
        "open('/work/x', 'wb').write(b'x' * (80 << 20))",
        "import os\nfor n in range(9): open(f'/work/{n}', 'wb').write(b'x' * (10 << 20))",
        "open('/tmp/x', 'wb').write(b'x' * (80 << 20))",
        "import os\nfor n in range(9): open(f'/dev/shm/{n}', 'wb').write(b'x' * (10 << 20))",
        "x = bytearray(2 << 30)",
        "import os, time\nfor n in range(1000):\n  if os.fork() == 0: time.sleep(30)",
        "files = [open('/dev/null') for n in range(5000)]",
    ],
)
def test_a_step_hits_its_limits(up: Up, code: str) -> None:
    lab = up(PAIR)
    lab.put("a", "mine", {"x.txt": b""})
    process = run(lab, "a", "python3", "-c", code, folder="mine", limits=Limits(processes=64))
    assert process.exit_code not in (0, None)
    assert run(lab, "a", "true", folder="mine").exit_code == 0


def test_admin_sees_the_nodes_processes_and_steps_do_not_see_admins(up: Up) -> None:
    lab = up(PAIR)
    step = lab.start(Program("a", ["sleep", "123"]))
    assert lab.wait(lambda: "sleep 123" in out(lab, "a", "ps", "axww", kind="admin"), 10, 0.05)
    assert "sleep 123" not in out(lab, "b", "ps", "axww", kind="admin")
    assert "sleep 123" not in out(lab, "a", "ps", "axww")
    step.signal(signal.SIGKILL, tree=True)


def test_listening_sockets_are_seen_without_touching_them(up: Up) -> None:
    lab = up("two-lans")
    serve = (
        "import socket, time; t = socket.create_server(('', 7000)); "
        "u = socket.socket(type=socket.SOCK_DGRAM); u.bind(('', 5353)); time.sleep(60)"
    )
    process = lab.start(Program("server", ["python3", "-c", serve]))

    def ports() -> set[tuple[str, int]]:
        sockets = lab.state(["server"], sockets_only=True)["server"]["sockets"]
        return {(each["protocol"], each["port"]) for each in sockets}

    assert lab.wait(lambda: ports() == {("tcp", 7000), ("udp", 5353)}, 10, 0.01)
    assert lab.state(["client"], sockets_only=True)["client"]["sockets"] == []
    process.signal(signal.SIGKILL, tree=True)
    assert lab.wait(lambda: ports() == set(), 10, 0.01)


LISTEN = """
import os, socket, sys, time
held = [socket.create_server(("", int(port))) for port in sys.argv[1:]]
if os.fork():
    os._exit(0) if len(held) == 1 else time.sleep(60)
os.setsid()
held.append(socket.socket(type=socket.SOCK_DGRAM))
held[-1].bind(("", int(sys.argv[1])))
print("on", flush=True)
time.sleep(60)
"""


def test_a_steps_ports_are_its_own_and_its_daemons(up: Up) -> None:
    lab = up("two-lans")
    one = lab.start(Program("server", ["python3", "-c", LISTEN, "7000", "7001"]))
    two = lab.start(Program("server", ["sh", "-c", 'python3 -c "$0" 7002; sleep 60', LISTEN]))
    three = lab.start(Program("server", ["sleep", "60"]))
    admin = lab.start(Program("server", ["python3", "-c", LISTEN, "7003", "7004"], kind="admin"))
    assert lab.wait(lambda: all(b"on" in each.stdout.data for each in (one, two, admin)), 20)
    assert [each.ports() for each in (one, two, three)] == [[7000, 7001], [7002], []]
    for each in (one, two, three, admin):
        each.signal(signal.SIGKILL, tree=True)
    assert lab.wait(lambda: one.exit_code is not None, 10)
    assert one.ports() == []


@pytest.mark.parametrize(
    ("to", "protocol", "port", "answer", "error"),
    [
        ("10.0.2.80", "icmp", None, "reply", ""),
        ("10.0.2.80", "tcp", 7000, "reply", ""),
        ("10.0.2.80", "tcp", 7001, "refused", "ECONNREFUSED"),
        ("10.0.2.80", "udp", 7001, "refused", "ECONNREFUSED"),
        ("10.0.2.99", "icmp", None, "unreachable", "EHOSTUNREACH"),
        ("10.9.9.9", "icmp", None, "unreachable", "ENETUNREACH"),
    ],
)
def test_a_probe_tells_the_answers_apart(
    up: Up, to: str, protocol: str, port: int | None, answer: str, error: str
) -> None:
    lab = up("two-lans")
    serve = "import socket, time; s = socket.create_server(('', 7000)); print('on', flush=True); time.sleep(60)"
    server = lab.start(Program("server", ["python3", "-c", serve]))
    assert lab.wait(lambda: b"on" in server.stdout.data, 10)
    result = lab.probe("client", to, protocol, port, 4)
    assert (result["answer"], result["error"]) == (answer, error)
    assert result["sent"] >= 1


def test_waiting_has_a_limit(up: Up) -> None:
    lab = up(PAIR)
    before = time.monotonic()
    assert not lab.wait(lambda: False, 0.2)
    assert time.monotonic() - before < 5

"""Labs come, stay and go; whatever is killed, and when, nothing of them is left."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.runtime.base import LiveLab, Program, Runtime
from tests.contract.conftest import READY_MADE, python

TOPOLOGY = str(READY_MADE / "two-lans" / "topology.yaml")
KILLS = 20  # of each command: 60 in all


class Place:
    """A private place for live state, and `lab` run in it; its processes carry a mark in their environment."""

    def __init__(self, runtime: str, folder: Path) -> None:
        self.folder = folder
        self.mark = f"LAB_TEST_MARK={folder.name}"
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "LAB_RUNTIME": runtime, "LAB_TEST_MARK": folder.name}

    def start(self, *words: str, **given: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **given}
        return subprocess.Popen(
            [sys.executable, "-m", "lab", *words], env=self.env, text=True, cwd=self.folder, **streams
        )

    def lab(self, *words: str, code: int = 0) -> str:
        process = self.start(*words)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, (words, process.returncode, out, err)
        return out + err

    def names(self) -> list[str]:
        return [each["name"] for each in json.loads(self.lab("ps", "--json"))]

    def processes(self) -> list[str]:
        """What still runs of all that was started here: children inherit the environment, zombies have none."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.mark in (entry / "environ").read_text(errors="replace").split("\0"):
                    found.append(f"{entry.name} {(entry / 'comm').read_text().strip()}")
            except OSError:
                continue
        return found

    def wait_until_nothing_runs(self) -> None:
        deadline = time.monotonic() + 10
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not left

    def mounts(self) -> list[str]:
        return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(self.folder) in line]


@pytest.fixture
def place(runtime: Runtime) -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="lab-test-") as folder:
        Path(folder).chmod(0o755)  # root's labs run under another uid, which has to pass
        made = Place(runtime.name, Path(folder))
        yield made
        made.lab("down", "--all")
        made.wait_until_nothing_runs()
        assert not made.mounts()
        assert not list((Path(folder) / "lab" / "labs").glob("*"))


def test_up_exec_inspect_down(place: Place) -> None:
    assert "two-lans is up" in place.lab("up", TOPOLOGY)
    assert place.names() == ["two-lans"]
    assert "10.0.1.10/24" in place.lab("exec", "client", "--", "ip", "addr")
    told = json.loads(place.lab("inspect", "--json"))
    assert told["nodes"]["r1"]["role"] == "router"
    assert "two-lans is down" in place.lab("down")
    assert place.names() == []


def test_up_of_a_lab_that_is_up_is_refused_and_harmless(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    assert "is up already" in place.lab("up", TOPOLOGY, code=2)
    place.lab("up", TOPOLOGY, "--name", "another")
    assert place.names() == ["another", "two-lans"]
    assert "2 labs are up" in place.lab("down", code=2)
    place.lab("down", "another")
    assert place.names() == ["two-lans"]
    place.lab("down", TOPOLOGY)
    assert place.names() == []


def test_down_of_a_lab_that_is_not_up_is_harmless(place: Place) -> None:
    assert "no lab is up" in place.lab("down")
    assert "nothere is not up" in place.lab("down", "nothere")
    assert "no lab is up" in place.lab("down", "--all")


@pytest.mark.parametrize("name", ["..", ".", "../../x", "/tmp/x", "--all", "a b", "a\nb", "é", "x" * 42, ""])
def test_a_name_that_is_none_is_refused(place: Place, name: str) -> None:
    assert "a lab cannot be called" in place.lab("up", TOPOLOGY, f"--name={name}", code=2)
    assert place.names() == []


def test_closed_streams_do_no_harm(place: Place) -> None:
    for closed in (">&-", "<&- >&- 2>&-"):
        python, topology = shlex.quote(sys.executable), shlex.quote(TOPOLOGY)
        words = f"{python} -m lab up {topology} {closed}; {python} -m lab exec client true"
        subprocess.run(["/bin/sh", "-c", words], env=place.env, cwd=place.folder, check=True, timeout=60)
        place.lab("down")


def test_of_two_ups_at_once_one_wins(place: Place) -> None:
    both = [place.start("up", TOPOLOGY) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2], outputs
    assert place.names() == ["two-lans"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("exec", "nobody", "--", "true"), "has no node nobody"),
        (("exec", "client"), "no command was given"),
        (("exec", "client", "--", "no-such-program"), "there is no program no-such-program"),
    ],
)
def test_a_failure_of_exec_itself_is_125(place: Place, words: tuple[str, ...], text: str) -> None:
    place.lab("up", TOPOLOGY)
    assert text in place.lab(*words, code=125)


def test_exec_passes_everything_through(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    place.lab("exec", "client", "--", "sh", "-c", "exit 42", code=42)
    process = place.start("exec", "two-lans", "client", "--", "cat", stdin=subprocess.PIPE)
    assert process.communicate("through\n" * 100_000, timeout=60)[0] == "through\n" * 100_000
    trap = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, lambda *_: sys.exit(9))\nprint('on', flush=True)\nsignal.pause()"
    )
    process = place.start("exec", "client", "--", "python3", "-c", trap)
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 9


def test_exec_gives_all_of_a_long_output(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    code = (
        "import sys; sys.stdout.write('x' * 8_000_000 + 'last'); sys.stdout.flush(); "
        "sys.stderr.write('y' * 300_000 + 'too'); sys.exit(3)"
    )
    for _ in range(4):
        process = place.start("exec", "client", "--", "python3", "-c", code)
        assert process.stdout is not None
        fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)  # a slow reader: what is written has to wait
        written, errors = process.communicate(timeout=60)
        assert (len(written), written[-4:], len(errors), errors[-3:]) == (8_000_004, "last", 300_003, "too")
        assert process.returncode == 3


@pytest.mark.parametrize("left", ["exec sleep 30", "while :; do echo on; done"])
def test_exec_does_not_wait_for_what_was_left_running(place: Place, left: str) -> None:
    place.lab("up", TOPOLOGY)
    with (place.folder / "output").open("w") as output:
        code = f"({left}) & echo said; echo $! >&2; exit 4"
        process = place.start("exec", "client", "--", "sh", "-c", code, stdout=output, stderr=output)
        assert process.wait(timeout=20) == 4
    written = (place.folder / "output").read_text().split()
    assert "said" in written
    pid = next(word for word in written if word.isdigit())
    place.lab("exec", "client", "--", "sh", "-c", f"kill {pid} 2>/dev/null; true")  # if it had a reader


def test_what_exec_started_ends_when_exec_is_killed(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    process = place.start("exec", "client", "--", "sh", "-c", "echo on; exec sleep 777")
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while "sleep 777" in place.lab("exec", "client", "--", "ps", "axww"):
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("lab exec ", {"two-lans", "client", "r1", "server"}),
        ("lab down ", {"two-lans"}),
        ("lab run ", {"two-lans/tcp-echo", "triangle/routes"}),
        ("lab capture ", {"client:eth0", "r1:eth0", "r1:eth1", "server:eth0"}),
    ],
)
def test_the_shell_completes_names(place: Place, typed: str, names: set[str]) -> None:
    place.lab("up", TOPOLOGY)
    place.env |= {"_LAB_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": "2"}
    try:
        assert names <= set(subprocess.check_output([lab_command()], env=place.env, text=True).split())
    finally:
        for name in ("_LAB_COMPLETE", "COMP_WORDS", "COMP_CWORD"):
            del place.env[name]


def lab_command() -> str:
    """The installed command: completion goes by its name."""
    return str(Path(sys.executable).with_name("lab"))


def test_shell_is_a_terminal(place: Place) -> None:
    import pty

    place.lab("up", TOPOLOGY)
    ours, theirs = pty.openpty()
    place.env["SHELL"] = "/bin/sh"
    process = place.start("shell", "client", stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""
    for typed, awaited in (
        (b"", b"client$ "),
        (b"tty; test -t 0 && echo yes-$((40+2))\n", b"yes-42"),
        (b"hostname\n", b"client\r\n"),
        (b"exit 6\n", b""),
    ):
        os.write(ours, typed)
        while awaited and awaited not in said:
            said += os.read(ours, 4096)
        said = said.rpartition(awaited)[2] if awaited else said
    assert process.wait(timeout=20) == 6
    os.close(ours)


@pytest.mark.tool("tcpdump", "ping")
def test_capture_live(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    target = place.folder / "live.pcap"
    process = place.start("capture", "r1:eth0", "-w", str(target))
    assert process.stderr is not None
    assert "listening on eth0" in process.stderr.readline()
    place.lab("exec", "client", "--", "ping", "-c1", "server")
    deadline = time.monotonic() + 10
    while target.stat().st_size < 24 + 4 * (16 + 42):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    assert "no TCP conversation" in place.lab("trace", str(target))


def test_a_killed_keeper_takes_its_lab_with_it(place: Place) -> None:
    place.lab("up", TOPOLOGY)
    background = place.start("exec", "client", "--", "sh", "-c", "echo on; exec sleep 600")
    assert background.stdout is not None
    assert background.stdout.readline() == "on\n"
    pid = json.loads(place.lab("ps", "--json"))[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    background.communicate(timeout=20)
    assert background.returncode == 125
    place.wait_until_nothing_runs()
    assert place.names() == []
    place.lab("up", TOPOLOGY)


@pytest.mark.parametrize("words", [("up", TOPOLOGY), ("run", "tcp-echo", "--runs", "runs"), ("down",)])
def test_killed_at_any_moment_nothing_is_left(place: Place, words: tuple[str, ...]) -> None:
    place.lab("up", TOPOLOGY)
    typical = time.monotonic()
    place.lab(*words) if words[0] != "up" else place.lab("up", TOPOLOGY, "--name", "measured")
    typical = time.monotonic() - typical
    place.lab("down", "--all")
    chance = random.Random(20261123)
    for _ in range(KILLS):
        if words[0] == "down":
            place.lab("up", TOPOLOGY)
        process = place.start(*words)
        try:
            process.wait(timeout=chance.uniform(0, typical * 1.1))
        except subprocess.TimeoutExpired:
            process.kill()
        process.communicate()
        if words[0] == "run":
            place.wait_until_nothing_runs()
        alive = place.names()
        assert alive in ([], ["two-lans"])
        if alive:
            place.lab("exec", "client", "--", "true")
            place.lab("down")
        place.wait_until_nothing_runs()
    place.lab("up", TOPOLOGY)
    place.lab("exec", "client", "--", "true")


def test_twenty_labs_of_equal_subnets_at_once(up: Callable[[str], LiveLab]) -> None:
    labs = [up("two-lans") for _ in range(20)]
    serve = (
        "import socket, sys; s = socket.create_server(('', 7000)); print('on', flush=True)\n"
        "c, _ = s.accept(); c.sendall(sys.argv[1].encode())"
    )
    servers = [lab.start(Program("server", ["python3", "-c", serve, str(number)])) for number, lab in enumerate(labs)]
    for number, (lab, server) in enumerate(zip(labs, servers, strict=True)):
        assert lab.wait(lambda: b"on" in server.stdout.data, 20)  # noqa: B023
        ask = "import socket; c = socket.create_connection(('server', 7000)); print(c.recv(99).decode())"
        assert python(lab, "client", ask).strip() == str(number)

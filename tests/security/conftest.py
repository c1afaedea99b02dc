"""All hostile programs, and honest ones between them, graded in one go as a teacher would have it done."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import pipeline
from lab.catalog import folder as ready_made
from lab.evidence import Evidence
from lab.grade import Grade

HERE = Path(__file__).parent
PROGRAMS = HERE / "hostile"
EXPECTED: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "hostile.yaml").read_text())
PRELUDE = re.compile(r"^from prelude import .*\n", re.MULTILINE)
HONEST = {"solution": 10, "wrong/loopback": 0, "wrong/one-recv": 2, "wrong/resets": 8}  # with their points
AN_HONEST_ONE_AFTER = 4  # hostile programs
SIDE_BY_SIDE = 4
SECRET = b"the host's own word"


@dataclass(frozen=True)
class Turn:
    """What became of one submission."""

    student: str
    told: dict[str, Any]
    directory: Path
    evidence: Evidence
    grade: Grade

    @property
    def output(self) -> str:
        """What it wrote, on both outputs."""
        step = self.evidence.steps["server"]
        return step.stdout.decode(errors="replace") + step.stderr.decode(errors="replace")

    @property
    def outcomes(self) -> dict[str, str]:
        """What came of all that it tried, by its own account."""
        found = re.search(r"^OUTCOMES (.*)$", self.output, re.MULTILINE)
        return json.loads(found[1]) if found else {}

    @property
    def cause(self) -> str:
        return self.grade.causes[0].cause.kind if self.grade.causes else ""

    @property
    def time(self) -> tuple[float, float]:
        """When it ran."""
        manifest = self.evidence.manifest
        return manifest["started"], manifest["started"] + manifest["seconds"]

    def explain(self) -> str:
        """What an assertion shows when it fails."""
        lines = [f"{self.student}: {self.told['state']} {self.told['why']}"]
        lines += [f"{r.graded.id}: {r.verdict.outcome}: {r.verdict.seen}" for r in self.grade.results]
        lines += [f"cause {root.cause.kind}: {root.cause.text}" for root in self.grade.causes]
        lines += [f"{s.name}: {s.ended} {s.exit_code} {s.signal} {s.message} {s.stdout[-300:]!r} {s.stderr[-900:]!r}"
                  for s in self.evidence.steps.values()]  # fmt: skip
        return "\n".join([*lines, *(f"gap {gap}" for gap in self.evidence.gaps)])


@dataclass(frozen=True)
class Class:
    """All of them, by name."""

    out: Path
    hostile: dict[str, Turn]
    honest: list[tuple[Turn, int]]

    def beside(self, turn: Turn) -> list[tuple[Turn, int]]:
        """The honest ones who ran at the same time."""
        begin, end = turn.time
        return [(other, points) for other, points in self.honest if other.time[0] < end and begin < other.time[1]]


class Services:
    """What a hostile program could reach of this machine: TCP on every address, an abstract and a named socket."""

    def __init__(self, folder: Path) -> None:
        self.abstract = f"lab-test-{os.getpid()}"
        self.named = str(folder / "host.socket")
        self.sockets = [socket.create_server(("127.0.0.1", 0)), socket.create_server(("", 0)),
                        socket.create_server(("::1", 0), family=socket.AF_INET6)]  # fmt: skip
        for name in ("\0" + self.abstract, self.named):
            self.sockets.append(socket.socket(socket.AF_UNIX))
            self.sockets[-1].bind(name)
            self.sockets[-1].listen()
        self.ports = [each.getsockname()[1] for each in self.sockets[:3]]
        self.reached: list[str] = []
        for each in self.sockets:
            threading.Thread(target=self._answer, args=(each,), daemon=True).start()

    def _answer(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, peer = listening.accept()
            except OSError:
                return
            self.reached.append(str(peer))
            connection.sendall(SECRET)
            connection.close()

    def close(self) -> None:
        for each in self.sockets:
            each.shutdown(socket.SHUT_RDWR)
            each.close()


def program(name: str) -> str:
    """A hostile program with what it shares with others in it."""
    text = (PROGRAMS / f"{name}.py").read_text()
    listens = f"LISTENS = {'report_and_serve' in text}"
    shared = (HERE / "prelude.py").read_text().replace("LISTENS = False", listens)
    return PRELUDE.sub(lambda _: shared, text, count=1)


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    made = Services(tmp_path_factory.mktemp("services"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory, services: Services) -> Class:
    """Everyone handed in, and was graded."""
    folder = tmp_path_factory.mktemp("walls")
    for each in (folder, *folder.parents):  # root's labs run under another uid, which has to pass
        if os.getuid() == 0 and str(each).startswith("/tmp/"):
            each.chmod(0o755)
    all_of_them, honest = folder / "all", list(HONEST)
    points: dict[str, int] = {}
    names: dict[str, str] = {}
    for number, name in enumerate(EXPECTED):
        student = f"{len(names) + len(points):03d}-{name.replace('_', '-')}"
        names[student] = name
        (all_of_them / student).mkdir(parents=True)
        text = _with_the_hosts(program(name), services, [str(folder), str(HERE.parents[1]), str(Path.home())])
        (all_of_them / student / "server.py").write_text(text)
        if number % AN_HONEST_ONE_AFTER == 0:
            kind = honest[len(points) % len(honest)]
            student = f"{len(names) + len(points):03d}-honest"
            points[student] = HONEST[kind]
            shutil.copytree(ready_made() / "two-lans" / "tcp-echo" / kind, all_of_them / student,
                            ignore=shutil.ignore_patterns("expect.yaml"))  # fmt: skip
    out = folder / "grades"
    words = [sys.executable, "-m", "lab", "grade", str(HERE / "exercise"), str(all_of_them), "--out", str(out),
             "-j", str(SIDE_BY_SIDE)]  # fmt: skip
    environment = {**os.environ, "LAB_TEST_SECRET": SECRET.decode()}
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False, env=environment)
    assert "Traceback" not in done.stderr, done.stderr
    turns = {}
    for path in (out / "students").glob("*/result.json"):
        told = json.loads(path.read_text())
        assert told["attempts"], told["why"]
        directory = path.parent / told["attempts"][-1]
        turns[told["student"]] = Turn(told["student"], told, directory, *pipeline.judge(directory))
    missing = {*names, *points} - set(turns)
    assert not missing, (missing, done.stdout, done.stderr)
    return Class(out, {name: turns[key] for key, name in names.items()}, [(turns[k], p) for k, p in points.items()])


def _with_the_hosts(text: str, services: Services, folders: list[str]) -> str:
    names = "PORTS, ADDRESSES, ABSTRACT, NAMED"
    own = f"{services.ports}, {_addresses()}, {services.abstract!r}, {services.named!r}"
    text = text.replace(f'{names} = [], [], "", ""', f"{names} = {own}")
    return text.replace("HOST = []", f"HOST = {folders}")


def _addresses() -> list[str]:
    """This machine's own."""
    told = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True).stdout
    found = [each["local"] for link in json.loads(told) for each in link["addr_info"] if each["scope"] == "global"]
    return sorted(set(found))[:6]

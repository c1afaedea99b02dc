"""Engines to fail with: one that knows two answers, one that falls silent at a chosen call, and a real one to break."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab.runtime.docker import engine

REAL = "/var/run/docker.sock"


@contextmanager
def listening(path: Path, serve: Any) -> Iterator[str]:
    """Serve a Unix socket, a thread a connection; its DOCKER_HOST."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(64)
    opened = [server]

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                opened.append(connection)
                threading.Thread(target=serve, args=(connection, opened), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"unix://{path}"
    finally:
        for each in opened:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


@contextmanager
def saying(path: Path, version: dict[str, Any]) -> Iterator[str]:
    """An Engine that gives its version, whatever it is asked."""
    body = json.dumps(version).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def serve(connection: socket.socket, _: Any) -> None:
        with suppress(OSError):
            while connection.recv(1 << 16):
                connection.sendall(answer)

    with listening(path, serve) as host:
        yield host


@contextmanager
def falling_silent(path: Path, at: str, said: bytes = b"") -> Iterator[str]:
    """The real Engine, but for requests whose line matches `at`: none gets there, and `said` is all the answer."""
    pattern = re.compile(at.encode())

    def serve(connection: socket.socket, opened: list[socket.socket]) -> None:
        behind = socket.socket(socket.AF_UNIX)
        behind.connect(REAL)
        opened.append(behind)

        def back() -> None:
            with suppress(OSError):
                while data := behind.recv(1 << 16):
                    connection.sendall(data)
                connection.shutdown(socket.SHUT_RDWR)

        threading.Thread(target=back, daemon=True).start()
        with suppress(OSError):
            while data := connection.recv(1 << 16):
                if pattern.match(data.partition(b"\r\n")[0]):
                    connection.sendall(said)
                    return
                behind.sendall(data)
            behind.shutdown(socket.SHUT_WR)

    with listening(path, serve) as host:
        yield host


class OwnEngine:
    """A second `dockerd`, in a network namespace and on a small disk of its own: it may be broken at will."""

    def __init__(self, folder: Path, size: str) -> None:
        self.data = folder / "data"
        self.host = f"unix://{folder}/docker.sock"
        self._folder = folder
        self.data.mkdir()
        mount = f"mount -t tmpfs -o size={size} none {self.data} && ip link set lo up && echo on && exec sleep infinity"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", mount], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "on\n"
        self.start()

    @property
    def _into(self) -> list[str]:
        return ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", f"--mount=/proc/{self._holder.pid}/ns/mnt"]

    def run(self, *words: str) -> None:
        """Run a command in its network and among its files."""
        subprocess.run([*self._into, *words], check=True, capture_output=True)

    @property
    def disk(self) -> Path:
        """Its data, seen from here."""
        return Path(f"/proc/{self._holder.pid}/root{self.data}")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        folder = self._folder
        into = self._into
        words = ["dockerd", f"--data-root={self.data}", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        with (folder / "log").open("ab") as log:
            words += [f"--host={self.host}", "--bridge=none"]
            self._process = subprocess.Popen([*into, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while True:
            if self._answers():
                return
            assert self._process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _answers(self) -> bool:
        """Asked without the SDK, which leaves the sockets of failed connections open."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(self.host.removeprefix("unix://"))
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return b" 200 " in connection.recv(100)
            except OSError:
                return False

    def client(self) -> Any:
        """A client of its."""
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = self.host
        try:
            return engine.connect()
        finally:
            del os.environ["DOCKER_HOST"]
            if before is not None:
                os.environ["DOCKER_HOST"] = before

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it by a signal, and wait for that; its containerd, which a next one would take for its own, goes too."""
        containerd = Path("/proc", (self._folder / "exec" / "containerd" / "containerd.pid").read_text().strip())
        self._process.send_signal(number)
        self._process.wait(60)
        deadline = time.monotonic() + 20
        while containerd.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def close(self) -> None:
        """End it and all of its own."""
        if self._process.poll() is None:
            self.stop()
        self._holder.kill()
        self._holder.communicate()

"""Nodes with an image of the topology's own: nothing of ours is in it, and its program runs in the lab as it is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.runtime.docker import engine, names

pytestmark = [pytest.mark.docker, pytest.mark.tool("cc")]

# Tells each who connects what its node's files hold, and then gives back what it gets.
SERVER = r"""
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static void copy(const char *path, int to) {
    char text[4096]; int file = open(path, O_RDONLY); ssize_t size;
    while (file >= 0 && (size = read(file, text, sizeof text)) > 0) if (write(to, text, size) < 0) return;
}
int main(int count, char **words) {
    if (count > 1 && !strcmp(words[1], "fail")) { puts("no configuration found"); return 3; }
    if (count > 1 && !strcmp(words[1], "show")) { copy(words[2], 1); return 0; }
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(7000)};
    int reuse = 1, listening = socket(AF_INET6, SOCK_STREAM, 0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
    if (bind(listening, (void *)&any, sizeof any) || listen(listening, 5)) { perror("no port"); return 4; }
    for (;;) {
        char text[4096]; ssize_t size; int connection = accept(listening, 0, 0);
        if (connection < 0) continue;
        while ((size = read(connection, text, sizeof text)) > 0) {
            if (!strncmp(text, "die", 3)) return 5;
            if (text[0] == '/') { text[size - 1] = 0; copy(text, connection); }
            else if (write(connection, text, size) < 0) break;
        }
        close(connection);
    }
}
"""
TOPOLOGY = """\
name: own
networks: {{lan: {{subnet: 10.0.1.0/24}}, wan: {{subnet: 10.0.2.0/24}}}}
nodes:
  client: {{role: client, interfaces: {{eth0: lan}}}}
  r1: {{role: router, interfaces: {{eth0: lan, eth1: wan}}}}
  web:
    role: server
    image: {image}
    interfaces: {{eth0: wan}}
    files: {{/srv/motd: "hello of the topology\\n"}}
"""
EXERCISE = """\
version: 1
name: echoes
topology: topology.yaml
submission: {files: [client.py]}
steps:
  - {name: client, node: client, code: submission, run: [python3, client.py], timeout: 5s}
checks:
  - {id: route,  check: path,          from: client, to: web, via: [r1]}
  - {id: opened, check: tcp-handshake, from: client, to: web, port: 7000}
  - id: echoed
    check: tcp-data
    from: client
    to: web
    port: 7000
    client_sends: "hi\\n"
    server_sends: "hi\\n"
    points: 1
"""
CLIENT = "import socket\nwith socket.create_connection(('web', 7000)) as c: c.sendall(b'%s\\n'); print(c.recv(9))\n"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two images of nothing but a static program: NAME:good, and NAME:fail, which ends at once."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "server.c").write_text(SERVER)
    subprocess.run(["cc", "-static", "-Os", "-o", "server", "server.c"], cwd=folder, check=True)
    name = f"packetlab-test-{os.getpid()}"
    client = engine.connect()
    for tag, words in (("good", ["/server"]), ("fail", ["/server", "fail"]), ("none", [])):
        program = f"ENTRYPOINT {json.dumps(words)}\n" if words else ""
        dockerfile = f"FROM scratch\nCOPY server /server\nEXPOSE 7000\n{program}"
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as packed:
            packed.add(folder / "server", "server")
            entry = tarfile.TarInfo("Dockerfile")
            entry.size = len(dockerfile)
            packed.addfile(entry, io.BytesIO(dockerfile.encode()))
        context.seek(0)
        lines = list(client.build(fileobj=context, custom_context=True, tag=f"{name}:{tag}", rm=True, decode=True))
        assert "error" not in lines[-1], lines
    yield name
    for tag in ("good", "fail", "none"):
        client.remove_image(f"{name}:{tag}")
    client.close()


class Place:
    """A folder with a topology, in which `lab` runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(folder)} | {"LAB_RUNTIME": ""}

    def write(self, image: str) -> None:
        (self.folder / "topology.yaml").write_text(TOPOLOGY.format(image=image))

    def lab(self, *words: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "lab", *words]
        given: Any = {"capture_output": True, "text": True, "env": self.env, "cwd": self.folder, "timeout": 60}
        done = subprocess.run(command, check=False, **given)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    def ours(self) -> dict[str, dict[str, Any]]:
        """All containers and networks there are of this folder's labs, by their names."""
        client = engine.connect()
        filters = names.owner(self.env).filters()
        containers = client.containers(all=True, filters=filters)
        found = {each["Names"][0]: client.inspect_container(each["Id"]) for each in containers}
        found |= {each["Name"]: each for each in client.networks(filters=filters)}
        client.close()
        return found


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    tmp_path.chmod(0o755)
    made = Place(tmp_path)
    yield made
    made.lab("down", "--all")
    assert not made.ours()


def ask(place: Place, text: str) -> str:
    code = f"import socket; c = socket.create_connection(('web', 7000)); c.sendall(b'{text}\\n')"
    code += "; c.shutdown(socket.SHUT_WR); print(c.makefile().read())"
    return place.lab("exec", "client", "--", "python3", "-c", code)


def test_a_static_program_serves_in_the_lab(images: str, place: Place) -> None:
    place.write(f"{images}:good")
    assert "(docker, " in place.lab("up", "topology.yaml")
    assert ask(place, "hello") == "hello\n\n"
    assert "10.0.2.10\tweb\n" in ask(place, "/etc/hosts")
    assert ask(place, "/etc/resolv.conf") == "\n"
    assert ask(place, "/srv/motd") == "hello of the topology\n\n"
    (walls,) = (each for name, each in place.ours().items() if name.endswith("-web.image"))
    config = walls["HostConfig"]
    assert not config["Privileged"]
    assert config["CapDrop"] == ["ALL"]
    assert not {"NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE"} & set(config["CapAdd"])
    assert "no-new-privileges" in config["SecurityOpt"]
    assert config["Memory"]
    assert config["PidsLimit"]
    assert walls["Config"]["Labels"][names.LAB] == "own"


def test_the_administrator_has_tools_and_sees_the_images_processes(images: str, place: Place) -> None:
    place.write(f"{images}:good")
    place.lab("up", "topology.yaml")
    assert "10.0.2.10/24" in place.lab("exec", "web", "--", "ip", "-o", "addr")
    shown = place.lab("exec", "web", "--", "sh", "-c", "tr '\\0' ' ' </proc/1/cmdline; cat /proc/1/root/srv/motd")
    assert shown == "/server hello of the topology\n"
    ask(place, "die")
    assert "10.0.2.10/24" in place.lab("exec", "web", "--", "ip", "-o", "addr")


def test_a_run_is_captured_and_judged(images: str, place: Place) -> None:
    place.write(f"{images}:good")
    (place.folder / "exercise.yaml").write_text(EXERCISE)
    (place.folder / "solution").mkdir()
    (place.folder / "solution" / "client.py").write_text(CLIENT % "hi")
    report = json.loads(place.lab("run", ".", "--json"))
    assert {each["id"]: each["verdict"] for each in report["checks"]} == dict.fromkeys(
        ("route", "opened", "echoed"), "passed"
    )
    assert not place.ours()
    with (place.folder / "exercise.yaml").open("a") as file:
        file.write("  - {id: more, check: tcp-data, from: client, to: web, port: 7000, server_sends: x, points: 1}\n")
    (place.folder / "solution" / "client.py").write_text(CLIENT % "die")
    report = json.loads(place.lab("run", ".", "--json", code=3))
    assert "the program of its image" in str(report["gaps"])
    assert "ended with code 5" in str(report["gaps"])


def test_a_step_runs_among_the_images_files(images: str, place: Place) -> None:
    place.write(f"{images}:good")
    steps = EXERCISE.replace("steps:\n", "steps:\n  - {name: show, node: web, run: [/server, show, /srv/motd]}\n")
    check = '  - {id: shown, check: output, step: show, text: "hello of the topology\\n"}'
    steps = steps.replace("checks:\n", f"checks:\n{check}\n")
    (place.folder / "exercise.yaml").write_text(steps)
    (place.folder / "solution").mkdir()
    (place.folder / "solution" / "client.py").write_text(CLIENT % "hi")
    place.lab("run", ".", "--json")
    (shown,) = place.folder.glob("runs/echoes/*/steps/show*out*")
    assert shown.read_text() == "hello of the topology\n"


def test_a_program_that_ends_at_once_is_told_with_its_last_words(images: str, place: Place) -> None:
    place.write(f"{images}:fail")
    said = place.lab("up", "topology.yaml", code=3)
    assert f"node web: the program of its image {images}:fail ended with code 3; it said last:" in said
    assert "no configuration found" in said
    assert "docker run" in said
    assert not place.ours()


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("{}:none", "has no program, neither ENTRYPOINT nor CMD"),
        ("registry.invalid/course/web:1", "image registry.invalid/course/web:1 is missing, and cannot be pulled"),
    ],
)
def test_an_image_that_cannot_be_used_is_told(images: str, place: Place, image: str, words: str) -> None:
    place.write(image.format(images))
    said = place.lab("up", "topology.yaml", code=3)
    assert words in said
    assert len(said.splitlines()) > 1, "what to do is not said"
    assert not place.ours()


@pytest.mark.kernel
def test_the_embedded_runtime_refuses_images(place: Place) -> None:
    place.write("web:1")
    said = place.lab("up", "topology.yaml", "--runtime", "netns", code=3)
    assert "node web has the image web:1" in said
    assert "--runtime docker" in said

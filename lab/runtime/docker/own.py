"""Images of a topology's own: each runs in a container beside its node's, whose network, names and host name it shares.

The node's container is made of the node image as ever, and so wired and looked into with its tools: the image itself
need not hold any. Its program starts last, when the whole lab is wired.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lab.errors import NotMeasuredError
from lab.plan import Plan, PlannedNode
from lab.runtime.docker import engine, names
from lab.runtime.docker.image import present
from lab.runtime.docker.live import DockerLab
from lab.runtime.docker.names import Names

if TYPE_CHECKING:
    from docker import APIClient

_LIVES = 0.3  # seconds after which a program without a port is taken for one that started well
_LISTENS = 5.0  # seconds that a program gets to listen on a port that its image exposes
_POLL = 0.03
# A service that starts as root has to give that up, and to own its files: nothing of it reaches the network.
_CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")


def ensure(client: APIClient, plan: Plan, say: Callable[[str], None]) -> None:
    """Pull the images of the plan's nodes that the Engine does not have."""
    for name in {node.image: None for node in plan.nodes if node.image}:
        if not present(client, name):
            say(f"pulling image {name}")
            _pull(client, name, say)


def _pull(client: APIClient, name: str, say: Callable[[str], None]) -> None:
    hint = f"docker build -t {name} FOLDER makes it, docker load takes it from a file that docker save wrote elsewhere"
    try:
        with engine.told(f"pulling image {name}"), engine.patience(client):
            for line in client.pull(name, stream=True, decode=True):
                if "error" in line:
                    raise NotMeasuredError(f"image {name} is missing, and cannot be pulled: {line['error']}", hint=hint)
                if line.get("status") and not line.get("progressDetail"):
                    say(" ".join(filter(None, (line.get("id"), line["status"]))))
    except engine.RefusedError as error:
        raise NotMeasuredError(f"image {name} is missing, and cannot be pulled: {error.why}", hint=hint) from None


def start(
    client: APIClient, given: Names, node: PlannedNode, labels: Mapping[str, str], limits: Mapping[str, Any]
) -> int:
    """Start a node's own image; the PID of its program, 0 where that has ended already."""
    assert node.image is not None
    config = client.create_host_config(
        network_mode=f"container:{given.node(node.name)}",
        cap_drop=["ALL"],
        cap_add=list(_CAPABILITIES),
        security_opt=["no-new-privileges"],
        log_config={"type": "json-file", "config": {"max-size": "1m"}},  # what it said last has to outlive it
        **limits,
    )
    what = f"image {node.image} of node {node.name}"
    try:
        with engine.told(what):
            made = client.create_container(
                node.image,
                name=given.image(node.name),
                labels={**labels, names.KIND: "image", names.NODE: node.name},
                host_config=config,
                stdin_open=True,  # a shell waits for its input rather than end at once
            )
            if node.files:
                client.put_archive(made["Id"], "/", _packed(node))
            client.start(made["Id"])
            return int(client.inspect_container(made["Id"])["State"]["Pid"])
    except engine.RefusedError as error:
        if "No command specified" not in error.why:
            raise
        hint = 'give it one in its Dockerfile: CMD ["sleep", "infinity"] where only steps are to run'
        raise NotMeasuredError(f"{what} has no program, neither ENTRYPOINT nor CMD", hint=hint) from None


def _packed(node: PlannedNode) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as packed:
        for file in node.files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size = len(file.content)
            packed.addfile(entry, io.BytesIO(file.content))
    return archive.getvalue()


class Images:
    """The containers that run the images of a lab's nodes, by the lab's labels."""

    def __init__(self, client: APIClient, filters: dict[str, list[str]], plan: Plan) -> None:
        self._client = client
        self._filters = filters
        self._plan = plan

    def states(self) -> dict[str, dict[str, Any]]:
        """By node, how the Engine has its container: `Id`, `Running`, `Pid`, `ExitCode`, `OOMKilled`."""
        if not any(node.image for node in self._plan.nodes):
            return {}
        found = {}
        with engine.told("looking at the images' containers"):
            for each in self._client.containers(all=True, filters=self._filters):
                whole = self._client.inspect_container(each["Id"])
                found[each["Labels"][names.NODE]] = {"Id": each["Id"], **whole["State"]}
        return found

    def troubles(self) -> list[str]:
        """Of each program that ended with an error, what it said last."""
        return [self._told(node, state) for node, state in self.states().items() if _failed(state)]

    def expect_running(self, node: str) -> None:
        """Raise NotMeasuredError where the program of a node's image has ended: its files went with it."""
        state = self.states().get(node)
        if state is None or not state["Running"]:
            what = self._told(node, state) if state else f"node {node}: the container of its image is gone"
            raise NotMeasuredError(what, hint="steps on such a node run beside that program: it has to stay")

    def _told(self, node: str, state: Mapping[str, Any]) -> str:
        with engine.told("reading what a container wrote"):
            said = self._client.logs(state["Id"], tail=5).decode(errors="replace").strip()[-1000:]
        how = "for lack of memory" if state["OOMKilled"] else f"with code {state['ExitCode']}"
        text = f"node {node}: the program of its image {self._plan.by_name[node].image} ended {how}"
        return text + ("; it said last:\n    " + "\n    ".join(said.splitlines()) if said else ", and said nothing")

    def await_started(self, lab: DockerLab, say: Callable[[str], None]) -> None:
        """Wait until each program listens on a port that its image exposes, or where it exposes none has lived a while.

        Raises NotMeasuredError where one has ended with an error by then. One that never listens is only said.
        """
        began = time.monotonic()
        waiting = {node.name: self._exposed(node) for node in self._plan.nodes if node.image}

        def started() -> bool:
            states = self.states()
            if any(_failed(state) for state in states.values()):
                return True
            sockets = lab.state(waiting, sockets_only=True)
            for name in [name for name, state in states.items() if name in waiting and not state["Running"]]:
                say(f"node {name}: the program of its image has ended, with code 0")
                del waiting[name]
            for name, ports in list(waiting.items()):
                listening = {each["port"] for each in sockets[name]["sockets"] if each["state"] == "LISTEN"}
                if ports & listening if ports else time.monotonic() - began > _LIVES:
                    del waiting[name]
            return not waiting

        lab.wait(started, _LISTENS, _POLL)
        if troubles := self.troubles():
            raise NotMeasuredError("\n".join(troubles), hint="docker run --rm IMAGE shows whether it works by itself")
        for name, ports in waiting.items():
            listed = ", ".join(map(str, sorted(ports)))
            say(f"node {name}: nothing listens on {listed}, which its image exposes, after {_LISTENS:.0f} s")

    def _exposed(self, node: PlannedNode) -> set[int]:
        """The TCP ports of the image's EXPOSE."""
        with engine.told(f"image {node.image}"):
            config = self._client.inspect_image(node.image)["Config"]
        ports = (each.partition("/") for each in config.get("ExposedPorts") or {})
        return {int(port) for port, _, protocol in ports if protocol == "tcp" and port.isdigit()}


def _failed(state: Mapping[str, Any]) -> bool:
    return not state["Running"] and state["Status"] in ("exited", "dead") and state["ExitCode"] != 0

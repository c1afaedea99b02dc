"""The Docker runtime: labs as containers and networks of a Docker Engine, wherever that runs."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

from lab.errors import LabError, NotMeasuredError, Problem
from lab.plan import Plan
from lab.runtime.base import LabInfo, Limits
from lab.runtime.docker import build, bundle, engine, image, machine, names, own, process, remove
from lab.runtime.docker.connection import Connection
from lab.runtime.docker.live import DockerLab
from lab.runtime.docker.names import Names
from lab.runtime.docker.remove import Found
from lab.runtime.setup import set_up

if TYPE_CHECKING:
    from docker import APIClient


class DockerRuntime:
    """Implements `lab.runtime.base.Runtime`."""

    name = "docker"
    memory_bound = (
        f"a watchdog, at {Limits().memory >> 20} MiB for a program and all that it started, "
        f"and the container's control group, at {build.MEMORY >> 20} MiB for all programs of a node"
    )

    def __init__(self) -> None:
        self._connected: APIClient | None = None
        self._owner = names.owner()

    @property
    def _client(self) -> APIClient:
        if self._connected is None:
            self._connected = engine.connect()
        return self._connected

    def about(self, limit: float) -> str:
        """The Engine's version, and whether it has the node image; raises NotMeasuredError where labs cannot use it."""
        self._connected = engine.connect(limit)
        with contextlib.closing(self._connected) as client:
            if found := self.problems():
                raise NotMeasuredError(found)
            with engine.told("asking the Docker Engine"):
                version = client.version()["Version"]
                if "name=rootless" in client.info().get("SecurityOptions", ()):
                    raise NotMeasuredError([machine.ROOTLESS])
            there = [name for name in (image.tag(image.COMPILER), image.tag()) if image.present(client, name)]
        node_image = f"node image {there[0]}" if there else "the node image is built at its first use"
        return f"Engine {version}, {node_image}"

    def problems(self) -> list[Problem]:
        """Why it cannot work here; empty where it can."""
        try:
            with engine.told("asking the Docker Engine"):
                parts = self._client.version().get("Components") or []
        except NotMeasuredError as error:
            return list(error.problems)
        if any("Podman" in part.get("Name", "") for part in parts):
            # Tried with 4.3: a network's bridge comes with its first container, too late to keep the host silent.
            return [Problem("Podman answers here, and labs need the Docker Engine", hint="DOCKER_HOST names another")]
        return []

    def up(self, plan: Plan, *, name: str | None = None, source: str = "", say: Callable[[str], None]) -> DockerLab:
        """Bring a lab up; see `Runtime.up`. Raises LabError where a lab of that name is up already."""
        client = self._client
        given = Names(self._owner, name or plan.name, secrets.token_hex(4), lasting=name is not None)
        if name is not None and any(info.name == name for info in self.labs()):
            raise _up_already(name)
        chosen = image.ensure(client, say)
        own.ensure(client, plan, say)
        try:
            lab = build.Builder(client, given, plan, chosen, say).up(source)
            set_up(lab, say)
            if name is None:
                lab.end_with(lambda: remove.everything(client, self._owner.filters(mark=given.mark)))
            else:
                lab.last()
                with engine.told(f"lab {name}"):
                    client.rename(given.starting, given.helper)
        except BaseException as error:
            try:
                remove.everything(client, self._owner.filters(mark=given.mark))
            except NotMeasuredError as left:
                if isinstance(error, LabError) and not isinstance(error, engine.SilentError):
                    raise NotMeasuredError([*error.problems, *left.problems]) from None
            taken = name is not None and isinstance(error, NotMeasuredError) and "already" in str(error)
            if taken and any(self._look(lab=given.lab)[1:]):  # another `lab up` was a moment earlier
                raise _up_already(given.lab) from None
            raise
        return lab

    def labs(self) -> list[LabInfo]:
        """The lasting labs of this user; what dead ones left behind is cleared."""
        if self._connected is None and not engine.might_answer():
            return []
        try:
            client = self._client
        except engine.DeniedError:  # who may not use the Engine has no labs there
            return []
        helpers, containers, networks = self._look()
        others = [*containers, *networks]
        alive = {mark: each for mark, each in helpers.items() if _is_up(each)}
        coming = {each["Labels"][names.MARK] for each in others if process.lives(each["Labels"].get(names.MAKER, ""))}
        dead = {each["Labels"][names.MARK] for each in others} - set(alive) - coming
        for mark in dead:
            remove.everything(client, self._owner.filters(mark=mark))
        return [self._info(each) for each in alive.values()]

    def _look(self, **only: str) -> tuple[dict[str, Found], list[Found], list[Found]]:
        """The helper containers of this owner by their lab's mark, and all containers and networks that it has."""
        with engine.told("listing labs"):
            containers = self._client.containers(all=True, filters=self._owner.filters(**only))
            networks = self._client.networks(filters=self._owner.filters(**only))
        helpers = {
            each["Labels"][names.MARK]: each for each in containers if each["Labels"].get(names.KIND) == "helper"
        }
        return helpers, containers, networks

    def _info(self, helper: Found) -> LabInfo:
        labels = helper["Labels"]
        with engine.told("looking at a lab"):
            pid = self._client.inspect_container(helper["Id"])["State"]["Pid"]
        nodes = len(build.read_plan(labels[names.PLAN]).nodes)
        return LabInfo(labels[names.LAB], self.name, labels[names.SOURCE], nodes, float(helper["Created"]), pid)

    def open(self, name: str) -> DockerLab:
        """Enter a lasting lab; raises LabError where none has that name."""
        helpers, *_ = self._look(lab=name)
        helper = next((each for each in helpers.values() if _is_up(each)), None)
        if helper is None:
            raise LabError(f"no lab {name} is up", hint="lab ps lists the labs that are up, lab up FILE brings one up")
        labels = helper["Labels"]
        with engine.told(f"lab {name}"):
            command = bundle.command(labels[names.MARK], first=False)
            made = self._client.exec_create(helper["Id"], command, stdin=True)
            stream = self._client.exec_start(made["Id"], socket=True)
        plan = build.read_plan(labels[names.PLAN])
        connection = Connection(stream, bundle.archive())
        images = own.Images(self._client, self._owner.filters(mark=labels[names.MARK], kind="image"), plan)
        lab = DockerLab(name, plan, connection, lambda: engine.runs(self._client, helper["Id"]), images)
        lab.await_ready()
        missing = lab.ask({"do": "find", "nodes": [build.node_data(node, plan) for node in plan.nodes]})["missing"]
        for node, state in images.states().items():
            if node not in missing:
                lab.ask({"do": "image", "node": node, "pid": state["Pid"]})
        return lab

    def down(self, name: str) -> bool:
        """End a lasting lab and wait until nothing of it is left; whether there was one."""
        helpers, *all_there = self._look(lab=name)
        found = [mark for mark, each in helpers.items() if names.LASTING in each["Labels"]]
        for mark in found:
            its = ([each for each in kind if each["Labels"][names.MARK] == mark] for kind in all_there)
            remove.these(self._client, *its)
        return bool(found)


def _is_up(helper: Found) -> bool:
    """Whether a lab was brought up to its end, and has not ended since: its helper then has its lasting name."""
    lasting = names.LASTING in helper["Labels"] and any(name.endswith(names.HELPER) for name in helper["Names"])
    return lasting and helper["State"] == "running"


def _up_already(name: str) -> LabError:
    return LabError(f"lab {name} is up already", hint=f"lab down {name} ends it; --name gives another one its own name")

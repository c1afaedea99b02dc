"""Removes a lab's containers and networks by their labels, a few at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lab.runtime.docker import engine, names

if TYPE_CHECKING:
    from docker import APIClient

Found = dict[str, Any]  # a container or a network

_AT_ONCE = 4  # Debian's Engine 20.10 can hang for ever when eight are removed at once
_LOOK = 3.0  # seconds without an answer after which a container that is being removed is looked at
_PATIENCE = 2.0  # seconds that a removed container may take to let go of its networks


def everything(client: APIClient, filters: dict[str, list[str]]) -> None:
    """Remove all containers and networks that have these labels; see `these`."""
    with engine.told("listing containers"):
        containers = client.containers(all=True, filters=filters)
        networks = client.networks(filters=filters)
    these(client, containers, networks)


def these(client: APIClient, containers: Iterable[Found], networks: Iterable[Found]) -> None:
    """Remove a lab's containers and networks, as the Engine lists them.

    The helper goes first: nothing then runs in the nodes any more, and nobody ends them beside us. All are tried before
    the first failure is raised, unless it is that the Engine does not answer.
    """
    containers = sorted(containers, key=lambda each: each["Labels"].get(names.KIND) != "helper")
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        try:
            for work in [workers.submit(_remove_container, client, each) for each in containers]:
                work.result()
            for work in [workers.submit(_remove_network, client, each["Id"]) for each in networks]:
                work.result()
        except engine.SilentError:  # each of the others would take its time limit too
            workers.shutdown(wait=False, cancel_futures=True)
            raise


def _remove_container(client: APIClient, container: Found) -> None:
    """End a container, and wait until the Engine has removed it, which it does by itself.

    Told to remove what it is removing already, Engine 20.10 may keep the container's ends of networks for ever.
    """
    from docker.errors import APIError, NotFound

    identifier = container["Id"]
    with engine.told("removing a container"), contextlib.suppress(NotFound):
        if container["Labels"].get(names.KIND) == "image":  # the Engine keeps these, and they have no end of a network
            client.remove_container(identifier, v=True, force=True)
            return
        try:
            client.kill(identifier)
        except APIError as error:
            if error.status_code != 409:
                raise
            _remove_ended(client, identifier)
        _await_removed(client, identifier)


def _await_removed(client: APIClient, identifier: str) -> None:
    """Raises NotFound where it is gone; looks for it now and then, as an Engine under load can forget to answer."""
    from requests.exceptions import RequestException

    deadline = time.monotonic() + engine.LIMIT
    while True:
        try:
            client.wait(identifier, condition="removed", timeout=min(_LOOK, engine.LIMIT))
            return
        except RequestException as error:
            if not engine.timed_out(error):
                raise
            client.inspect_container(identifier)
            if time.monotonic() > deadline:
                raise


def _remove_ended(client: APIClient, identifier: str) -> None:
    """Remove a container that never ran; one that has just ended is being removed."""
    if client.inspect_container(identifier)["State"]["Status"] == "created":
        client.remove_container(identifier, v=True)


def _remove_network(client: APIClient, identifier: str) -> None:
    """A container that is gone may still hold its end for a moment, or for ever where the Engine lost track of it."""
    from docker.errors import APIError, NotFound

    deadline = time.monotonic() + engine.LIMIT
    with engine.told("removing a network"), contextlib.suppress(NotFound):
        while True:
            try:
                client.remove_network(identifier)
                return
            except APIError as error:
                if "active endpoints" not in str(error) or time.monotonic() > deadline:
                    raise
            if time.monotonic() > deadline - engine.LIMIT + _PATIENCE:
                _disconnect(client, identifier)
            time.sleep(0.02)


def _disconnect(client: APIClient, network: str) -> None:
    from docker.errors import APIError

    for container in client.inspect_network(network).get("Containers") or {}:
        with contextlib.suppress(APIError):
            client.disconnect_container_from_network(container.removeprefix("ep-"), network, force=True)

"""The Docker Engine: how it is found, each call within a time limit, its failures in a person's words."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lab.errors import NotMeasuredError

if TYPE_CHECKING:
    from docker import APIClient

LIMIT = 60  # seconds for any call of the Engine's
_LONG = 1800  # for a build, a pull, saving and loading: most of them a mirror's or a disk's
_OLDEST = (1, 40)  # API of Engine 19.03, the first whose containers can be given their kernel's files unmasked
_SEVERAL = (1, 44)  # API of Engine 25
_START_HINT = "start it (systemctl start docker, or Docker Desktop); DOCKER_HOST or docker context use names another"
ENDED_HINT = "docker events --since 10m tells what ended it (kill, oom: out of memory); then try again"
_SOCKET = "/var/run/docker.sock"
_REASON = re.compile(r"(?:\[Errno \d+\] |Error\(\d+, ')([^'\")\]]+)")  # the operating system's own words


class SilentError(NotMeasuredError):
    """The Engine did not answer in time: asking it more would only take that time again."""


class RefusedError(NotMeasuredError):
    """The Engine answered that it will not do it, and `why`."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: the Docker Engine refused: {why}", hint=hint_for(why))
        self.why = why


class DeniedError(NotMeasuredError):
    """This user may not use the Engine."""


def connect(limit: float | None = None) -> APIClient:
    """A client for the Engine by DOCKER_HOST, DOCKER_CONTEXT or the chosen context; its calls have `limit` seconds.

    Raises NotMeasuredError where none answers, it may not be used, or it is too old.
    """
    import docker
    from docker.errors import DockerException

    where = os.environ.get("DOCKER_HOST", "")
    limit = limit or LIMIT
    try:
        address = _address()
        where = str(address.get("base_url") or ("" if os.name == "nt" else f"unix://{_SOCKET}"))
        client = docker.APIClient(**address, version="auto", timeout=limit)
    except (DockerException, OSError) as error:
        raise _unreachable(error, where, limit) from None
    # The SDK attaches to a container without any time limit.
    client.post = functools.partial(client.post, timeout=limit)
    if _api(client) < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise NotMeasuredError(
            f"the Docker Engine speaks API {client._version}, and labs need {oldest}",
            hint="update Docker to 19.03 or later",
        )
    return client


def joins_several(client: APIClient) -> bool:
    """Whether a container can be joined to more than one network in the call that makes it."""
    return _api(client) >= _SEVERAL


def _api(client: APIClient) -> tuple[int, ...]:
    return tuple(map(int, client._version.split(".")))


def might_answer() -> bool:
    """Whether there is anything that may be an Engine this user can use: asked before the SDK is even imported."""
    from pathlib import Path

    if os.name != "posix" or os.environ.get("DOCKER_HOST") or os.environ.get("DOCKER_CONTEXT"):
        return True
    if (Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "contexts").is_dir():
        return True
    return os.access(_SOCKET, os.W_OK)


def _address() -> dict[str, Any]:
    """The SDK heeds DOCKER_HOST by itself, but knows contexts only when told to."""
    from docker.context import ContextAPI
    from docker.utils import kwargs_from_env

    if os.environ.get("DOCKER_HOST"):
        return dict(kwargs_from_env())
    name = os.environ.get("DOCKER_CONTEXT") or None
    context = ContextAPI.get_context(name)
    if context is None or context.name == "default":
        return {}
    return {"base_url": context.Host, "tls": context.TLSConfig or False}


def _unreachable(error: Exception, where: str, limit: float) -> NotMeasuredError:
    text = str(error)
    if "Permission denied" in text:
        return DeniedError(
            "this user may not use the Docker Engine: permission denied on its socket",
            where,
            "join the group that may (sudo usermod -aG docker $USER, then log in again)",
        )
    if "timed out" in text.lower():
        return _silent(where, limit)
    if "too old" in text or "no longer supported" in text:
        return NotMeasuredError(f"the Docker Engine is too old: {text}", where, "update Docker to 19.03 or later")
    return NotMeasuredError("no Docker Engine answers", where, f"{_START_HINT}\n  {_reason(text)}")


def _silent(where: str = "", limit: float | None = None) -> SilentError:
    hint = "docker ps tells whether it hangs: then restart it; what is left of the lab goes with the next lab command"
    return SilentError(f"the Docker Engine did not answer within {limit or LIMIT:.3g} s", where, hint)


def _reason(text: str) -> str:
    found = _REASON.search(text)
    return found.group(1) if found else _last_line(text)


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:300] if text.strip() else ""


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what goes wrong in a call to the Engine into NotMeasuredError: `what` could not be done, and why."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise RefusedError(what, str(error.explanation or error)) from None
    except (DockerException, RequestException, OSError) as error:
        if timed_out(error):
            raise _silent(what) from None
        why = _reason(str(error))
        raise NotMeasuredError(f"{what}: the Docker Engine is gone: {why}", hint=_START_HINT) from None


def timed_out(error: Exception) -> bool:
    """Whether a call failed because no answer came in time, or one that was begun did not end."""
    from requests.exceptions import Timeout
    from urllib3.exceptions import ReadTimeoutError

    return isinstance(error, Timeout) or (bool(error.args) and isinstance(error.args[0], ReadTimeoutError))


def hint_for(why: str) -> str:
    """What to do about an answer of the Engine's."""
    if "no space left" in why:
        return "the Engine's disk is full: docker system df shows by what, docker system prune frees some"
    if "is already in use" in why or "already exists" in why:
        return "something else has this name: docker ps -a and docker network ls show it"
    if "non-overlapping" in why or "Pool overlaps" in why or "address pools" in why:
        return "LAB_DOCKER_POOL=PREFIX gives the wiring another pool"
    if "No such container" in why:
        return ENDED_HINT
    if "No such image" in why:
        return "lab image build makes the node image, lab image load FILE takes one from elsewhere"
    return ""


@contextlib.contextmanager
def patience(client: APIClient) -> Iterator[None]:
    """Give the Engine the time that a build takes, or moving some hundred megabytes."""
    before, client.timeout = client.timeout, _LONG
    try:
        yield
    finally:
        client.timeout = before


def runs(client: APIClient, container: str) -> bool:
    """Whether a container is running."""
    from docker.errors import NotFound

    with told("looking at a container"):
        try:
            return bool(client.inspect_container(container)["State"]["Running"])
        except NotFound:
            return False

"""The node image: what a lab's containers and its helper are made from; built at its first use."""

from __future__ import annotations

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError, NotMeasuredError
from lab.runtime.docker.engine import hint_for, patience, told

if TYPE_CHECKING:
    from docker import APIClient

REPOSITORY = "packetlab/node"
BASE = "debian:bookworm-slim"
COMPILER = "gcc"  # the other tag, with a C compiler


@cache
def dockerfile() -> bytes:
    """The Dockerfile: the checkout's, or the one that an installed `lab` brings along."""
    for folder in (Path(__file__).parents[3] / "compose", Path(__file__).parents[2] / "_compose"):
        if (folder / "Dockerfile").is_file():
            return (folder / "Dockerfile").read_bytes()
    raise LabError("this installation of lab has no Dockerfile for the node image", hint="install packetlab again")


@cache
def tag(flavour: str = "") -> str:
    """The image's name: it changes with the Dockerfile, so an old image is never taken for a new one."""
    digest = hashlib.sha256(dockerfile()).hexdigest()[:8]
    return f"{REPOSITORY}:{digest}" + (f"-{flavour}" if flavour else "")


def present(client: APIClient, name: str) -> bool:
    """Whether the Engine has an image."""
    from docker.errors import ImageNotFound

    with told(f"image {name}"):
        try:
            client.inspect_image(name)
        except ImageNotFound:
            return False
        return True


def ensure(client: APIClient, say: Callable[[str], None]) -> str:
    """The node image to use, the one with a compiler where it is there; built where none is."""
    for name in (tag(COMPILER), tag()):
        if present(client, name):
            return name
    say(f"building the node image {tag()}, once and for all; this takes a minute")
    return build(client, "", BASE, say)


def build(client: APIClient, flavour: str, base: str, say: Callable[[str], None]) -> str:
    """Build the node image; `say` gets every line of its progress. Raises NotMeasuredError where that fails."""
    name = tag(flavour)
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as packed:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile())
        packed.addfile(entry, io.BytesIO(dockerfile()))
    context.seek(0)
    arguments = {"BASE": base, **({"TOOLS": flavour} if flavour else {})}
    with told(f"building {name}"), patience(client):
        for line in client.build(
            fileobj=context, custom_context=True, tag=name, buildargs=arguments, rm=True, decode=True
        ):
            _report(name, line, say)
    return name


def _report(name: str, line: dict[str, str], say: Callable[[str], None]) -> None:
    if "error" in line:
        why = line["error"].strip()
        unreachable = any(word in why for word in ("not found", "pull", "manifest", "registry", "dial", "resolve"))
        hint = "where nothing can be downloaded: lab image load FILE, or lab image build --base IMAGE"
        raise NotMeasuredError(f"building {name} failed: {why}", hint=hint if unreachable else "")
    text = line.get("stream") or line.get("status") or ""
    if text.strip():
        say(text.strip())


def save(client: APIClient, flavour: str, path: Path) -> int:
    """Write the node image to a file for `load`; its size in bytes. Nothing is left where that fails."""
    name = tag(flavour)
    if not present(client, name):
        raise LabError(f"there is no image {name} yet", hint="lab image build makes it")
    if path.is_dir():
        raise LabError(f"{path} cannot be written: it is a folder")
    scratch = path.with_name(path.name + ".part")
    try:
        with scratch.open("wb") as file:
            for chunk in _content(client, name):
                file.write(chunk)
        scratch.replace(path)
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            scratch.unlink()
    return path.stat().st_size


def _content(client: APIClient, name: str) -> Iterator[bytes]:
    with told(f"saving {name}"), patience(client):
        yield from client.get_image(name)


def load(client: APIClient, path: Path) -> list[str]:
    """Take images from a file of `save`; returns what it holds, the node image or images.

    Raises LabError where it is no such file, NotMeasuredError where the Engine has no room for it.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise LabError(f"{path} cannot be read: {error.strerror or error}") from None
    names: list[str] = []
    with file, told(f"loading {path}"), patience(client):
        for line in client.load_image(file):
            if why := str(line.get("error", "")).strip():
                if hint := hint_for(why):
                    raise NotMeasuredError(f"loading {path} failed: {why}", hint=hint)
                raise LabError(f"{path} holds no whole image: {why}", hint="lab image save FILE writes one")
            text = str(line.get("stream", ""))
            if text.startswith("Loaded image:"):
                names.append(text.partition(":")[2].strip())
    return names

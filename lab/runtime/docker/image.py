"""The node image: what a lab's containers and its helper are made from; built at its first use."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError, NotMeasuredError
from lab.runtime.docker.engine import told

if TYPE_CHECKING:
    from docker import APIClient

REPOSITORY = "packetlab/node"
BASE = "debian:bookworm-slim"
COMPILER = "gcc"  # the other tag, with a C compiler
BUILD_LIMIT = 1800  # seconds for a build or a pull, most of them a mirror's


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
    with told(f"building {name}"):
        before, client.timeout = client.timeout, BUILD_LIMIT
        try:
            for line in client.build(
                fileobj=context, custom_context=True, tag=name, buildargs=arguments, rm=True, decode=True
            ):
                _report(name, line, say)
        finally:
            client.timeout = before
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
    """Write the node image to a file for `load`; its size in bytes."""
    name = tag(flavour)
    if not present(client, name):
        raise LabError(f"there is no image {name} yet", hint="lab image build makes it")
    scratch = path.with_name(path.name + ".part")
    with told(f"saving {name}"), scratch.open("wb") as file:
        for chunk in client.get_image(name):
            file.write(chunk)
    scratch.replace(path)
    return path.stat().st_size


def load(client: APIClient, path: Path) -> list[str]:
    """Take images from a file of `save`; returns what it holds, the node image or images."""
    names: list[str] = []
    with told(f"loading {path}"), path.open("rb") as file:
        for line in client.load_image(file):
            text = str(line.get("stream", ""))
            if text.startswith("Loaded image:"):
                names.append(text.partition(":")[2].strip())
    return names

"""The node image of the Docker runtime, and topologies as files for Docker Compose."""

from __future__ import annotations

import sys
from pathlib import Path

from lab.errors import LabError


def build(compiler: bool, base: str | None) -> None:
    """Build the node image, with its progress on standard error."""
    from lab.runtime.docker import engine, image

    flavour = image.COMPILER if compiler else ""
    name = image.build(engine.connect(), flavour, base or image.BASE, lambda text: print(text, file=sys.stderr))
    print(f"{name} is built")


def save(file: str, compiler: bool) -> None:
    """Write the node image to a file, for machines without a registry."""
    from lab.runtime.docker import engine, image

    flavour = image.COMPILER if compiler else ""
    size = image.save(engine.connect(), flavour, Path(file))
    print(f"{file}: {image.tag(flavour)}, {size / 1e6:.0f} MB; lab image load {file} takes it elsewhere")


def load(file: str) -> None:
    """Take the node image from a file."""
    from lab.runtime.docker import engine, image

    path = Path(file)
    if not path.is_file():
        raise LabError(f"there is no file {file}")
    names = image.load(engine.connect(), path)
    print(f"loaded {', '.join(names) or 'nothing'}")
    if not {image.tag(), image.tag(image.COMPILER)} & set(names):
        raise LabError(f"{file} has no node image of this version of lab", hint=f"it needs {image.tag()}")


def export_compose(file: str, output: str | None) -> None:
    """Print a topology as a Compose file, or write it."""
    from lab.commands.topology import topology_file
    from lab.plan import make_plan
    from lab.runtime.docker import image
    from lab.runtime.docker.compose import compose_file
    from lab.topology import load_topology
    from lab.wholefile import earlier, write_whole

    text = compose_file(make_plan(load_topology(topology_file(file))), image.tag())
    if output is None:
        sys.stdout.write(text)
    else:
        instead = earlier(Path(output))
        write_whole(Path(output), text)
        print(f"{output}: to look at with docker compose -f {output} up{instead}")

"""Commands that have commands of their own: the node image, and topologies in another tool's form."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.options import TopologyFile

image = typer.Typer(help="Build, save and load the node image of the Docker runtime.", no_args_is_help=True)
export = typer.Typer(help="Write a topology in another tool's form.", no_args_is_help=True)
Compiler = Annotated[bool, typer.Option("--compiler", help="The one with a C compiler.")]


@image.command("build")
def image_build(
    compiler: Compiler = False,
    base: Annotated[str | None, typer.Option("--base", metavar="IMAGE", help="Build on another Debian.")] = None,
) -> None:
    """Build the node image; `lab up` does so by itself at its first use."""
    from lab.commands import image as commands

    commands.build(compiler, base)


@image.command("save")
def image_save(file: Annotated[str, typer.Argument(metavar="FILE")], compiler: Compiler = False) -> None:
    """Write the node image to a file, for rooms without a registry."""
    from lab.commands import image as commands

    commands.save(file, compiler)


@image.command("load")
def image_load(file: Annotated[str, typer.Argument(metavar="FILE")]) -> None:
    """Take the node image from a file that `save` wrote."""
    from lab.commands import image as commands

    commands.load(file)


@export.command("compose")
def export_compose(
    file: TopologyFile,
    output: Annotated[str | None, typer.Option("-o", metavar="FILE", help="Write it there.")] = None,
) -> None:
    """Print a topology as a file for Docker Compose, to look at with plain `docker compose`."""
    from lab.commands import image as commands

    commands.export_compose(file, output)

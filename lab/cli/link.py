"""The command for links, as the command line takes it."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.options import Json, RuntimeName, complete_point


def link(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[LAB] [NETWORK|NODE:IFACE]", autocompletion=complete_point)
    ] = None,
    profile: Annotated[str | None, typer.Option(help="A link with a name: ethernet, wifi or lte.")] = None,
    rate: Annotated[str | None, typer.Option(help="What an interface receives at most, such as 10Mbit/s.")] = None,
    delay: Annotated[str | None, typer.Option(help="How long a frame takes, such as 20ms.")] = None,
    jitter: Annotated[str | None, typer.Option(help="By how much the delay varies, up and down.")] = None,
    loss: Annotated[str | None, typer.Option(help="The share of frames that is lost, such as 1%.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Begin from a link without any of these.")] = False,
    cut: Annotated[bool | None, typer.Option("--cut/--restore", help="Let nothing in or out, or undo that.")] = None,
    lasts: Annotated[str | None, typer.Option("--for", metavar="TIME", help="How long a cut lasts.")] = None,
    json: Json = False,
    runtime: RuntimeName = None,
) -> None:
    """Show a lab's links, or change one while the lab is up: lab link wan --delay 20ms --loss 1%"""
    from lab.commands import link as commands

    given = {"profile": profile, "rate": rate, "delay": delay, "jitter": jitter, "loss": loss, "for": lasts}
    commands.link(words or (), given, runtime, plain=plain, cut=cut, as_json=json)


def register(app: typer.Typer, panel: str) -> None:
    """Add the command to the command line, in this group of its help."""
    app.command(rich_help_panel=panel)(link)

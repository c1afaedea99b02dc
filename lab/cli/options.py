"""Options and arguments that several commands have, what the shell completes in them, and the form of the help."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class GroupedHelp(TyperGroup):
    """Help that lists the commands by what they are about, without importing a renderer."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section a group, in the order of the commands."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                panel = getattr(command, "rich_help_panel", None) or "Commands"
                groups.setdefault(panel, []).append((name, command.get_short_help_str(100)))
        for panel, rows in groups.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


def _complete(kind: str, incomplete: str) -> list[str]:
    from lab.commands.completion import names

    return [name for name in names(kind) if name.startswith(incomplete)]


def complete_lab(incomplete: str) -> list[str]:
    """Labs that are up."""
    return _complete("labs", incomplete)


def complete_node(incomplete: str) -> list[str]:
    """Nodes of the lab that is up."""
    return _complete("nodes", incomplete)


def complete_point(incomplete: str) -> list[str]:
    """Capture points of the lab that is up."""
    return _complete("points", incomplete)


def complete_exercise(incomplete: str) -> list[str]:
    """Ready-made exercises."""
    return _complete("exercises", incomplete)


def complete_topology(incomplete: str) -> list[str]:
    """Ready-made topologies."""
    return _complete("topologies", incomplete)


Json = Annotated[bool, typer.Option("--json", help="Print data instead of text.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell each thing that is done, and where.")]
RuntimeName = Annotated[
    str | None, typer.Option("--runtime", help="netns or docker; also LAB_RUNTIME, or in the file.")
]
Runs = Annotated[str, typer.Option("--runs", help="Where evidence is kept.", metavar="DIR")]
TopologyFile = Annotated[
    str,
    typer.Argument(metavar="FILE", help="A file, a folder or a ready-made name.", autocompletion=complete_topology),
]
ExerciseName = Annotated[
    str | None,
    typer.Argument(metavar="EXERCISE", help="A file, a folder or a ready-made name.", autocompletion=complete_exercise),
]
NamedExercise = Annotated[
    str,
    typer.Argument(metavar="EXERCISE", help="A file, a folder or a ready-made name.", autocompletion=complete_exercise),
]
SecretFile = Annotated[
    str | None,
    typer.Option("--secret", metavar="FILE", help="What each student's own values are made of; also LAB_SECRET."),
]

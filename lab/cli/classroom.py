"""The commands for a whole class, as the command line takes them."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lab.cli.options import NamedExercise, RuntimeName, SecretFile


def grade(
    exercise: NamedExercise,
    submissions: Annotated[
        list[str], typer.Argument(metavar="SUBMISSIONS…", help="Folders and archives, as an LMS hands them out.")
    ],
    out: Annotated[str, typer.Option("--out", metavar="DIR", help="Where grades and evidence are kept.")] = "grades",
    side_by_side: Annotated[
        int | None, typer.Option("-j", min=1, metavar="N", help="Labs side by side; one a core by default.")
    ] = None,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, metavar="N", help="Run each so often; differing verdicts hold it back.")
    ] = 1,
    fresh: Annotated[bool, typer.Option("--fresh", help="Keep no earlier result.")] = False,
    roster: Annotated[
        str | None, typer.Option("--roster", metavar="FILE", help="Your LMS's sheet, which is compared and filled in.")
    ] = None,
    column: Annotated[
        str | None, typer.Option("--column", metavar="TITLE", help="The assignment, where Canvas's sheet has several.")
    ] = None,
    secret: SecretFile = None,
    late: Annotated[
        str | None, typer.Option("--late", metavar="FILE", help="When each came, for the exercise's `late:` to cost.")
    ] = None,
    runtime: RuntimeName = None,
) -> None:
    """Grade a class's submissions; the same command again goes on where it stopped."""
    from lab.commands import classroom

    sys.exit(
        classroom.grade(
            exercise,
            submissions,
            out=out,
            side_by_side=side_by_side,
            repeat=repeat,
            fresh=fresh,
            runtime=runtime,
            sheet=roster,
            column=column,
            secret=secret,
            late=late,
        )
    )


def regrade(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder that `lab grade` wrote.")],
    exercise: Annotated[
        str | None, typer.Option("--exercise", metavar="NEW", help="The exercise with changed checks or points.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust-code", help="Run functions that come with the results.")] = False,
) -> None:
    """Judge the kept evidence again, without running anything, and tell who gained or lost and why."""
    from lab.commands import handback

    sys.exit(handback.regrade(out, exercise, trust=trust))


def bundle(
    out: Annotated[str, typer.Argument(metavar="OUT", help="The folder that `lab grade` wrote.")],
    student: Annotated[str, typer.Argument(metavar="STUDENT")],
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="A new zip file.")] = None,
) -> None:
    """Zip everything that one student's grade rests on."""
    from lab.commands import handback

    handback.bundle(out, student, output)


def register(app: typer.Typer, panel: str) -> None:
    """Add them to the command line."""
    for command in (grade, regrade, bundle):
        app.command(rich_help_panel=panel)(command)

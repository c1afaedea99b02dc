"""Commands that have commands of their own: the node image, and grades, topologies and exercises in other forms."""

from __future__ import annotations

from typing import Annotated

import typer

from lab.cli.options import NamedExercise, TopologyFile

image = typer.Typer(help="Build, save and load the node image of the Docker runtime.", no_args_is_help=True)
export = typer.Typer(help="Write grades, a topology or an exercise in another tool's form.", no_args_is_help=True)
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
    """A topology as a Docker Compose file. Plain `docker compose` brings it up, to look at."""
    from lab.commands import image as commands

    commands.export_compose(file, output)


Graded = Annotated[str, typer.Argument(metavar="OUT", help="The folder that `lab grade` wrote.")]
Sheet = Annotated[str, typer.Option("--roster", metavar="FILE", help="The sheet that the LMS gave you.")]
Filled = Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="The filled sheet, to be uploaded.")]
# One file a student each.
FORMS = {
    "gradescope": "Gradescope's results.json.",
    "github": "GitHub Classroom's result, in base64.",
    "junit": "JUnit XML.",
    "tap": "TAP 14.",
    "inginious": "INGInious's feedback.",
    "prairielearn": "PrairieLearn's results.json.",
    "feedback": "Feedback to read, in Markdown.",
}


def _form(name: str, told: str) -> None:
    @export.command(name, help=f"{told} A file a student.")
    def write(
        out: Graded,
        folder: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="A file a student goes there.")],
        student: Annotated[str | None, typer.Option("--student", metavar="ID", help="This one alone.")] = None,
    ) -> None:
        from lab.commands import handback

        handback.export(name, out, folder, student)


for _name, _told in FORMS.items():
    _form(_name, _told)


@export.command("moodle")
def export_moodle(out: Graded, roster: Sheet, output: Filled) -> None:
    """Moodle's grading worksheet, filled in."""
    from lab.commands import handback

    handback.export_roster("moodle", out, roster, output)


@export.command("canvas")
def export_canvas(
    out: Graded,
    roster: Sheet,
    output: Filled,
    column: Annotated[str | None, typer.Option("--column", metavar="TITLE", help="The assignment's column.")] = None,
) -> None:
    """Canvas's gradebook, filled in."""
    from lab.commands import handback

    handback.export_roster("canvas", out, roster, output, column)


@export.command("gradescope-autograder")
def export_gradescope_autograder(
    exercise: NamedExercise,
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="The zip file.")] = "autograder.zip",
) -> None:
    """An autograder for Gradescope. Where the platform lets it make no namespaces, it checks files and builds."""
    from lab.commands import platforms

    platforms.gradescope_autograder(exercise, output)


@export.command("github-workflow")
def export_github_workflow(
    exercise: Annotated[str, typer.Argument(metavar="EXERCISE", help="Its folder in your repository, or a name.")],
    repository: Annotated[str, typer.Option("--repository", metavar="OWNER/NAME", help="Where the exercise lies.")],
    ref: Annotated[str, typer.Option("--ref", help="Its branch, tag or commit.")] = "main",
    lab: Annotated[str | None, typer.Option("--lab", metavar="REQUIREMENT", help="What pip installs as lab.")] = None,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there.")] = None,
) -> None:
    """A workflow for students' repositories. It fetches the exercise from yours."""
    from lab.commands import platforms

    platforms.github_workflow(exercise, repository, ref, lab, output)

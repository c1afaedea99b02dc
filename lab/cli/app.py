"""The command line: each command parses, calls one function and exits."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from lab import console
from lab.cli import classroom, link
from lab.cli.groups import export, image
from lab.cli.options import (
    ExerciseName,
    GroupedHelp,
    Json,
    NamedExercise,
    Runs,
    RuntimeName,
    SecretFile,
    TopologyFile,
    Verbose,
    complete_lab,
    complete_node,
    complete_point,
    complete_topology,
)
from lab.errors import NOT_MEASURED, USER_ERROR, LabError

app = typer.Typer(
    cls=GroupedHelp,
    rich_markup_mode=None,
    help="Small networks on one machine, and proof from the packets of what happened in them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TOPOLOGY, LAB, EXERCISE, CLASS, MACHINE = "Topology", "Lab", "Exercise", "Class", "This machine"
WORDS = {"ignore_unknown_options": True, "allow_interspersed_args": False}


@app.command(rich_help_panel=TOPOLOGY)
def validate(files: Annotated[list[str], typer.Argument(metavar="FILE…")]) -> None:
    """Check topologies and exercises, and show every problem with its place."""
    from lab.commands import topology

    topology.validate(files)


@app.command(rich_help_panel=TOPOLOGY)
def plan(file: TopologyFile, json: Json = False) -> None:
    """Print what a topology resolves to: every interface, address and route."""
    from lab.commands import topology

    topology.plan(file, json)


@app.command(rich_help_panel=TOPOLOGY)
def schema(kind: Annotated[str, typer.Argument(metavar="topology|exercise|report|grades")]) -> None:
    """Print the JSON Schema of a file, for editors and for machines."""
    from lab.commands import topology

    topology.schema(kind)


@app.command(rich_help_panel=LAB)
def up(
    file: TopologyFile,
    name: Annotated[str | None, typer.Option("--name", help="The lab's name; the topology's by default.")] = None,
    runtime: RuntimeName = None,
    verbose: Verbose = False,
) -> None:
    """Bring a topology up; it lives until `lab down`."""
    from lab.commands import labs

    labs.up(file, name, runtime, verbose)


@app.command(rich_help_panel=LAB)
def down(
    lab: Annotated[str | None, typer.Argument(metavar="[LAB|FILE]", autocompletion=complete_lab)] = None,
    everything: Annotated[bool, typer.Option("--all", help="End every lab of yours.")] = False,
    runtime: RuntimeName = None,
    verbose: Verbose = False,
) -> None:
    """End a lab; nothing of it is left."""
    from lab.commands import labs

    labs.down(lab, everything, runtime, verbose)


@app.command(rich_help_panel=LAB)
def ps(json: Json = False, runtime: RuntimeName = None) -> None:
    """List the labs that are up."""
    from lab.commands import labs

    labs.ps(json, runtime)


@app.command(rich_help_panel=LAB)
def inspect(
    lab: Annotated[str | None, typer.Argument(metavar="[LAB]", autocompletion=complete_lab)] = None,
    json: Json = False,
    runtime: RuntimeName = None,
) -> None:
    """Show addresses, routes, neighbours and sockets of a lab's nodes as their kernel has them."""
    from lab.commands import labs

    labs.inspect(lab, json, runtime)


@app.command("exec", rich_help_panel=LAB, context_settings=WORDS)
def execute(
    words: Annotated[list[str], typer.Argument(metavar="[LAB] NODE -- COMMAND…", autocompletion=complete_node)],
    runtime: RuntimeName = None,
) -> None:
    """Run a command on a node as its administrator, and exit with its exit code."""
    from lab.commands import labs

    sys.exit(_or_125(lambda: labs.execute(words, runtime)))


@app.command(rich_help_panel=LAB)
def shell(
    words: Annotated[list[str], typer.Argument(metavar="[LAB] NODE", autocompletion=complete_node)],
    runtime: RuntimeName = None,
) -> None:
    """Open a terminal on a node as its administrator."""
    from lab.commands import labs

    sys.exit(_or_125(lambda: labs.shell(words, runtime)))


@app.command(rich_help_panel=LAB)
def capture(
    words: Annotated[list[str], typer.Argument(metavar="[LAB] NODE:IFACE", autocompletion=complete_point)],
    write: Annotated[str | None, typer.Option("-w", metavar="FILE|-", help="Write pcap; - is standard output.")] = None,
    wireshark: Annotated[bool, typer.Option("--wireshark", help="Show it live in Wireshark.")] = False,
    runtime: RuntimeName = None,
) -> None:
    """Capture live at one interface: lab capture r1:eth0 --wireshark"""
    from lab.commands import capture as commands

    sys.exit(commands.capture(words, write, runtime, wireshark=wireshark))


link.register(app, LAB)


@app.command(rich_help_panel=LAB)
def save(
    lab: Annotated[str | None, typer.Argument(metavar="[LAB]", autocompletion=complete_lab)] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="A new file; standard output by default.")
    ] = None,
    runtime: RuntimeName = None,
) -> None:
    """Write a lab's addresses and routes, as they are now, as the topology that makes them."""
    from lab.commands import save as commands

    commands.save(lab, output, runtime)


@app.command(rich_help_panel=EXERCISE)
def exercises(json: Json = False) -> None:
    """List the ready-made exercises and topologies."""
    from lab.commands import topology

    topology.list_ready_made(json)


@app.command(rich_help_panel=EXERCISE)
def checks(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="The check that is told in full.")] = None,
    json: Json = False,
) -> None:
    """List what can be checked, or tell one check's parameters, rule and an example."""
    from lab.commands import checks as commands

    commands.checks(name, json)


@app.command(rich_help_panel=EXERCISE)
def run(
    exercise: ExerciseName = None,
    submission: Annotated[
        str | None, typer.Option("--submission", "-s", metavar="DIR", help="What was handed in.")
    ] = None,
    standing: Annotated[
        str | None,
        typer.Option(
            "--lab",
            metavar="LAB",
            help="Run on this lab as it stands, configured by hand.",
            autocompletion=complete_lab,
        ),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up afterwards.")] = False,
    student: Annotated[str | None, typer.Option("--student", metavar="ID", help="With this student's values.")] = None,
    secret: SecretFile = None,
    runs: Runs = "runs",
    runtime: RuntimeName = None,
    json: Json = False,
    verbose: Verbose = False,
) -> None:
    """Run an exercise and judge it. Exits 0: all passed, 1: a check failed, 2: a file is wrong, 3: not measured."""
    from lab.commands import exercise as commands

    sys.exit(
        commands.run(
            exercise,
            submission,
            standing=standing,
            keep=keep,
            runs=runs,
            runtime=runtime,
            as_json=json,
            verbose=verbose,
            student=student,
            secret=secret,
        )
    )


@app.command(rich_help_panel=EXERCISE)
def judge(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory; . is the latest.")],
    students: Annotated[
        bool, typer.Option("--student", help="Tell of hidden checks no more than a student may see.")
    ] = False,
    pcapng: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write all captures as one, verdicts beside the frames.")
    ] = None,
    submission: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Take answer sheets from this folder, not from the run.")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust-code", help="Run the functions of checks `python` that the run brings along.")
    ] = False,
    json: Json = False,
    runs: Runs = "runs",
) -> None:
    """Judge the kept evidence of a run again, without a lab."""
    from lab.commands import exercise as commands

    sys.exit(
        commands.judge(run, runs, as_json=json, students=students, pcapng=pcapng, submission=submission, trust=trust)
    )


@app.command(rich_help_panel=EXERCISE)
def trace(
    sources: Annotated[list[str], typer.Argument(metavar="RUN|FILE…", help="A run (. is the latest), or captures.")],
    number: Annotated[int | None, typer.Option("--conversation", "-c", help="Draw this one as a ladder.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Draw all packets of a run as a ladder.")] = False,
    point: Annotated[str | None, typer.Option("--point", help="A run's capture point, such as client:eth0.")] = None,
    json: Json = False,
    runs: Runs = "runs",
) -> None:
    """Print the conversations of a run or of capture files, and one as a ladder."""
    from lab.commands import traces

    traces.trace(sources, number, point, runs, json, everything)


@app.command(rich_help_panel=EXERCISE)
def frame(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run directory; . is the latest.")],
    name: Annotated[str, typer.Argument(metavar="POINT#N", help="Such as client:eth0#4.")],
    json: Json = False,
    runs: Runs = "runs",
) -> None:
    """Explain one frame, layer by layer."""
    from lab.commands import traces

    traces.frame(run, name, runs, json)


@app.command(rich_help_panel=EXERCISE)
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The folder to write; its last part is the name.")],
    topology: Annotated[
        str,
        typer.Option(
            "--topology", "-t", help="A ready-made name, a file or a folder.", autocompletion=complete_topology
        ),
    ] = "two-lans",
) -> None:
    """Write a new exercise that works as it is, to be changed."""
    from lab.commands import teacher

    teacher.new(name, topology)


@app.command("try", rich_help_panel=EXERCISE)
def try_exercise(
    exercise: NamedExercise,
    repeat: Annotated[int, typer.Option("--repeat", min=1, metavar="N", help="Run each hand-in so often.")] = 1,
    side_by_side: Annotated[
        int | None, typer.Option("-j", min=1, metavar="N", help="Runs side by side; one a core by default.")
    ] = None,
    runs: Annotated[
        str | None, typer.Option("--runs", metavar="DIR", help="Keep all evidence there; else of deviations only.")
    ] = None,
    runtime: RuntimeName = None,
    json: Json = False,
) -> None:
    """Prove an exercise by its own solution, an empty hand-in, the skeleton and every wrong one."""
    from lab.commands import teacher

    sys.exit(
        teacher.try_exercise(
            exercise, repeat=repeat, side_by_side=side_by_side, runs=runs, runtime=runtime, as_json=json
        )
    )


@app.command(rich_help_panel=EXERCISE)
def handout(
    exercise: NamedExercise,
    output: Annotated[str, typer.Option("-o", "--output", metavar="DIR", help="A new or empty folder.")],
    student: Annotated[str | None, typer.Option("--student", metavar="ID", help="With this student's values.")] = None,
    secret: SecretFile = None,
) -> None:
    """Write what students get: no hidden check, no solution, no wrong hand-in."""
    from lab.commands import teacher

    teacher.handout(exercise, output, student, secret)


@app.command(rich_help_panel=EXERCISE)
def demo(runs: Runs = "runs", runtime: RuntimeName = None, verbose: Verbose = False) -> None:
    """Show a TCP conversation through a router, captured, drawn and judged."""
    from lab.commands import exercise as commands

    sys.exit(commands.demo(runs, runtime, verbose))


classroom.register(app, CLASS)


@app.command(rich_help_panel=MACHINE)
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Show what would mend it, and do it after consent.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Consent beforehand.")] = False,
    json: Json = False,
) -> None:
    """Tell what works on this machine, and how to mend what does not."""
    from lab.commands import machine

    sys.exit(machine.doctor(fix, yes, json))


app.add_typer(image, name="image", rich_help_panel=MACHINE)
app.add_typer(export, name="export", rich_help_panel=CLASS)


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Small networks on one machine, and proof from the packets of what happened in them."""
    if version:
        from lab import __version__

        print(f"lab {__version__}")
        raise typer.Exit


def _or_125(act: Callable[[], int]) -> int:
    """The exit code of what a user's command did, 125 for a failure of our own, as `docker exec` has it."""
    try:
        return act()
    except LabError as error:
        console.print_error(error)
        return 125


def main() -> NoReturn:
    """Run the command line; every expected failure becomes one block on standard error and its exit code."""
    console.open_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except LabError as error:
        console.print_error(error)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        console.stop_writing()
        sys.exit(USER_ERROR)
    except OSError as error:
        console.stop_writing()
        print(f"{error.filename or 'the output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(NOT_MEASURED)
    sys.exit(0)

"""The grammar of an exercise's file; each check adds the keys that its dataclass declares."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

from lab import grammar as g
from lab.exercise.faults import FAULT
from lab.exercise.late import LATE

SIGNALS = ("TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2", "STOP", "CONT")
RUN_ONLY = ("node", "code", "background", "ready", "stdin", "env", "mounts", "calls", "privilege")


VALUES = g.NamedMap(
    "values by name",
    g.Text("a value's name", pattern="[A-Za-z][A-Za-z0-9_]{0,30}", hint="a letter, then letters, digits and _"),
    g.Value(),
)
READY = g.Struct(
    "readiness",
    g.Key("tcp", g.Port(), "Ready when any program of the node listens on this TCP port"),
    g.Key("udp", g.Port(), "Ready when any program of the node has this UDP port"),
    g.Key("output", g.Pattern(), "Ready when its standard output matches this regular expression"),
    g.Key("within", g.Duration(), "How long to wait for it, 5s by default; later steps run even where it never comes"),
    one_of=("tcp", "udp", "output"),
)
STEP = g.Struct(
    "a step",
    g.Key("name", g.Name("a step's name"), "What checks and other steps call it; step1, step2 … by its place"),
    g.Key("node", g.NodeName(), "The node that it runs on"),
    g.Key("run", g.Command(), "The command: a list of arguments, or a line for sh -c"),
    g.Key(
        "code",
        g.Either(
            g.Choice("submission", expected="submission or a list of files such as [client.py]"),
            g.List(g.Placed(g.FilePath()), empty=False),
        ),
        "What lies in its folder: the submission's files, or files beside the exercise; steps of one node with equal "
        "code share the folder",
    ),
    g.Key("background", g.Bool(), "Whether the next step begins while it still runs"),
    g.Key("ready", READY, "When a background step counts as ready"),
    g.Key("stdin", g.Payload(), "Its standard input; empty by default"),
    g.Key(
        "env",
        g.NamedMap(
            "variables by name",
            g.Text("a variable's name", pattern="[A-Za-z_][A-Za-z0-9_]{0,63}", hint="letters, digits and _"),
            g.Text(longest=32768),
        ),
        "Environment variables",
    ),
    g.Key("timeout", g.Duration(), "How long it may run, 10s by default"),
    g.Key("wait", g.List(g.StepName(), empty=False, single=True), "Background steps whose end is waited for"),
    g.Key(
        "stop",
        g.Either(
            g.StepName(),
            g.Struct(
                "a stop",
                g.Key("step", g.StepName(), "The background step that is stopped", required=True),
                g.Key("signal", g.Choice(*SIGNALS), "The signal that it gets, TERM by default"),
            ),
        ),
        "The background step that gets a signal: `stop: server`, or `stop: {step: server, signal: INT}`",
    ),
    g.Key(
        "mounts",
        g.List(g.Text("an absolute path such as /opt/java", pattern=r"(/(?!\.\.?(/|$))[^/]+)+", longest=255)),
        "More files and folders of the machine that it can read",
    ),
    g.Key(
        "calls",
        g.Bool(),
        "Whether its system calls are recorded, for checks such as sockets; each call then takes up to 0.05 ms longer",
    ),
    g.Key(
        "privilege",
        g.Choice("net-raw", "net-admin"),
        "The capability that it has in its node's network, which is then judged from its neighbours' captures alone",
    ),
    doc="Something that happens on a node: a program runs, others are waited for, or one is stopped",
    one_of=("run", "wait", "stop"),
    beside={"run": "node", **dict.fromkeys(RUN_ONLY, "run"), "ready": "background"},
)
SUBMISSION = g.Struct(
    "a submission",
    g.Key("files", g.List(g.FilePath("a file's name"), empty=False), "The files that are handed in"),
    g.Key("routes", g.FilePath("a file's name"), "A file in the grammar of a topology's routes, which lab applies"),
    any_of=("files", "routes"),
)
COMMON = (
    g.Key("id", g.Name("a check's id"), "What it is called, in reports and in needs", required=True),
    g.Key("points", g.Number(), "What it is worth; without points it is shown and not graded"),
    g.Key("needs", g.List(g.CheckId(), single=True), "Checks that must pass first; their failure is its failure"),
    g.Key("hint", g.Text(), "Shown to the student when it fails"),
    g.Key("visible", g.Bool(), "Whether students see it; true by default"),
)


def check_grammar(kind: str, check: type) -> g.Struct:
    """The grammar of one kind of check, from the fields of its dataclass."""
    own = [g.Key(each.key, each.grammar, each.doc, each.required) for each in g.parameters(check)]
    tag = g.Key("check", g.Choice(kind), "The kind of check", required=True)
    return g.Struct(f"a check {kind}", tag, *COMMON, *own, doc=(inspect.getdoc(check) or "").partition("\n")[0])


def exercise_grammar(checks: Mapping[str, type]) -> g.Struct:
    """The grammar of an exercise that may use these kinds of checks."""
    kinds = {kind: check_grammar(kind, check) for kind, check in checks.items()}
    return g.Struct(
        "an exercise",
        g.Key("version", g.Int(1, 1, "a version that this lab reads: 1"), "The format's version: 1", required=True),
        g.Key("name", g.Name(), "What it is called", required=True),
        g.Key("title", g.Text(longest=200), "What it is about, in a line"),
        g.Key(
            "topology",
            g.Text(longest=255),
            "A ready-made topology's name, or a path; by default topology.yaml in this folder or the one above",
        ),
        g.Key("values", VALUES, "Values that ${name} stands for in the rest of this file"),
        g.Key("submission", SUBMISSION, "What a student hands in"),
        g.Key(
            "evidence",
            g.Choice("submitted"),
            "Captures of the student's own are handed in and judged, and every verdict is marked as unverified",
        ),
        g.Key("steps", g.List(STEP, most=1000), "What happens, in this order"),
        g.Key("faults", g.List(FAULT, most=100), "What goes wrong, and when; a check fault proves it"),
        g.Key(
            "checks",
            g.List(g.Variant("a check", "check", kinds), empty=False, most=1000),
            "What is judged",
            required=True,
        ),
        g.Key("late", LATE, "What lateness costs, where lab grade --late FILE tells when each submission came"),
        g.Key("settle", g.Duration(most=60), "How long connections get to close after the last step; 2s by default"),
        g.Key(
            "capture",
            g.Either(g.Choice("all", expected="all or a list of capture points"), g.List(g.Point(), empty=False)),
            "The interfaces whose packets are captured; all of them by default",
        ),
        doc="Programs on the nodes of a topology, and what the packets must then show",
    )

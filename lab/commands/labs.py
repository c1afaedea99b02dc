"""Labs that live: up, down, ps, inspect, exec, shell, capture."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lab import console
from lab.errors import LabError, NotMeasuredError
from lab.plan import make_plan
from lab.runtime import RUNTIMES, choose
from lab.runtime.base import LabInfo, LiveLab, Program, Runtime, lab_name

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")  # Windows knows two of them
_LINGER = 0.5  # seconds for the output of what an ended program left running
FORWARDED = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


def up(file: str, name: str | None, runtime: str | None, verbose: bool) -> None:
    """Bring a topology up as a lasting lab."""
    from lab.commands.topology import topology_file
    from lab.topology import load_topology

    named = lab_name(name) if name is not None else None
    path = topology_file(file)
    topology = load_topology(path)
    plan = make_plan(topology)
    started = time.monotonic()
    chosen = choose(runtime, topology.runtime, console.say)
    lab = chosen.up(plan, name=named or topology.name, source=str(path.resolve()), say=_say(verbose))
    lab.close()
    took = time.monotonic() - started
    nodes = ", ".join(node.name for node in plan.nodes[:6]) + (", …" if len(plan.nodes) > 6 else "")
    print(f"lab {lab.name} is up ({chosen.name}, {took:.2f} s): {nodes}")
    which = f" {lab.name}" if named else ""  # who names a lab has others
    first = f"{which} {plan.nodes[0].name}"
    print(f"try: lab exec{first} -- ip addr      lab shell{first}      lab down{which}")


def down(name: str | None, everything: bool, runtime: str | None, verbose: bool) -> None:
    """End one lab, or all of this user's."""
    say = _say(verbose)
    labs = _labs(runtime)
    if everything:
        chosen = labs
    elif name is None:
        chosen = [_only(labs)] if labs else []
    else:
        chosen = [entry for entry in labs if entry[1].name == name or _same_file(entry[1].source, name)]
        if not chosen and name not in {entry[1].name for entry in labs}:
            print(f"lab {name} is not up")
            return
    if not chosen:
        print("no lab is up")
    for owner, info in chosen:
        say(f"lab {info.name}: ending its keeper, process {info.pid}; the kernel ends the rest")
        owner.down(info.name)
        print(f"lab {info.name} is down")


def ps(as_json: bool, runtime: str | None) -> None:
    """List the labs that are up."""
    labs = [info for _, info in _labs(runtime)]
    if as_json:
        keys = ("name", "runtime", "source", "nodes", "started", "pid")
        console.show_json([{key: getattr(info, key) for key in keys} for info in labs])
    elif labs:
        rows = [(info.name, info.runtime, info.nodes, _age(info.started), info.source) for info in labs]
        console.show(console.table(("LAB", "RUNTIME", "NODES", "UP FOR", "TOPOLOGY"), rows))
    else:
        print("no lab is up")


def inspect(name: str | None, as_json: bool, runtime: str | None) -> None:
    """Show a lab's nodes as they are now: addresses, routes, neighbours, sockets."""
    lab = _open(name, runtime)
    state = lab.state([node.name for node in lab.plan.nodes])
    lab.close()
    if as_json:
        roles = {node.name: node.role for node in lab.plan.nodes}
        asked = {node.name: {"nameserver": node.nameserver} for node in lab.plan.nodes if node.nameserver}
        nodes = {node: {"role": roles[node], **asked.get(node, {}), **state[node]} for node in state}
        console.show_json({"lab": lab.name, "nodes": nodes})
        return
    for node in lab.plan.nodes:
        answers = ", answers DNS" if node.name == lab.plan.resolver else ""
        console.show([("title", f"{node.name} ({node.role}{answers})")])
        if node.nameserver:
            print(f"  resolver {node.nameserver}")
        _show_node(state[node.name], {interface.name: interface.mac for interface in node.interfaces})


def _show_node(state: dict[str, Any], macs: dict[str, str]) -> None:
    for name, mac in macs.items():
        addresses = [entry["address"] for entry in state["addresses"] if entry["interface"] == name]
        print(f"  {name:<8} {mac}  {'  '.join(addresses)}")
    for route in state["routes"]:
        where = f"via {route['via']}" if "via" in route else route.get("type") or f"on {route.get('interface')}"
        metric = f" metric {route['metric']}" if "metric" in route and ":" not in route["to"] else ""
        print(f"  route    {route['to']} {where}{metric}")
    for neighbour in state["neighbours"]:
        print(f"  neighbour {neighbour['address']} is {neighbour.get('mac', 'unknown')} ({neighbour['state']})")
    for socket in state["sockets"]:
        peer = f" ↔ {socket['peer']}:{socket['peer_port']}" if socket["peer_port"] else ""
        print(f"  {socket['protocol']}      {socket['local']}:{socket['port']}{peer} {socket['state']}")


def execute(words: Sequence[str], runtime: str | None) -> int:
    """Run a command on a node as its administrator; its exit code, or 125 where that could not be done."""
    lab, rest = lab_and_rest(words, runtime)
    node, *command = rest
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        raise LabError("no command was given", hint=f"lab exec {lab.name} {node} -- COMMAND …")
    program = Program(node, command, kind="admin", env=_environment(), stdin=0, stdout=1, stderr=2, cwd=_folder())
    process = lab.start(program)
    for number in FORWARDED:
        signal.signal(number, lambda got, _: process.signal(got))
    lab.wait(lambda: process.exit_code is not None, float("inf"))
    lab.wait(lambda: not process.running, _LINGER)
    lab.close()
    return process.exit_code if process.exit_code is not None else 125


def shell(words: Sequence[str], runtime: str | None) -> int:
    """Open a terminal on a node as its administrator."""
    from lab.commands.terminal import relay

    lab, rest = lab_and_rest(words, runtime)
    command = [os.environ.get("SHELL") or "/bin/sh"]
    if not sys.stdin.isatty():
        return execute([lab.name, rest[0], "--", *command], runtime)
    env = {**_environment(), "PS1": f"{rest[0]}$ "}
    return relay(lab, Program(rest[0], command, kind="admin", env=env, cwd=_folder(), terminal=True))


def lab_and_rest(words: Sequence[str], runtime: str | None, separator: str = "") -> tuple[LiveLab, list[str]]:
    """Split `[LAB] NODE …`: the lab may be left out where one is up; with a separator NODE is NODE:INTERFACE."""
    if not words:
        raise LabError("no node was named", hint="lab ps lists the labs, lab inspect their nodes")
    names = [info.name for _, info in _labs(runtime)]
    head = words[0].partition(separator)[0] if separator else words[0]
    if words[0] in names and len(words) > 1 and words[1] != "--":
        lab, rest = _open(words[0], runtime), list(words[1:])
        head = rest[0].partition(separator)[0] if separator else rest[0]
    elif len(names) > 1:
        several = ", ".join(sorted(names))
        raise LabError(f"no lab {words[0]} is up", hint=f"name one of {several} first, such as {names[0]} {words[0]}")
    else:
        lab, rest = _open(None, runtime), list(words)
    if head not in lab.plan.by_name:
        nodes = ", ".join(list(lab.plan.by_name)[:12])
        raise LabError(f"lab {lab.name} has no node {head}", hint=f"its nodes are {nodes}")
    return lab, rest


def each_lab(runtime: str | None, *, tell: bool = True) -> Iterator[tuple[Runtime, LabInfo]]:
    """The labs that are up, the embedded runtime's first; an Engine that cannot be asked is told, and passed over."""
    for name in [runtime] if runtime in RUNTIMES else RUNTIMES:
        try:
            owner = RUNTIMES[name]()
            labs = owner.labs()
        except NotMeasuredError as error:
            if name == (runtime or os.environ.get("LAB_RUNTIME")):
                raise
            if tell and (sys.platform == "linux" or name != "netns"):
                console.say(f"labs of runtime {name} could not be listed: {error.problems[0].what}")
            continue
        for info in labs:
            yield owner, info


def _labs(runtime: str | None) -> list[tuple[Runtime, LabInfo]]:
    return list(each_lab(runtime))


def find_lab(name: str | None, runtime: str | None) -> tuple[Runtime, LabInfo]:
    """A lab that is up, and its runtime; without a name the only one. Raises LabError where there is none."""
    if name is None:
        return _only(_labs(runtime))
    for owner, info in each_lab(runtime):
        if info.name == name:
            return owner, info
    raise LabError(f"no lab {name} is up", hint="lab ps lists the labs that are up")


def _open(name: str | None, runtime: str | None) -> LiveLab:
    owner, info = find_lab(name, runtime)
    return owner.open(info.name)


def _only(labs: list[tuple[Runtime, LabInfo]]) -> tuple[Runtime, LabInfo]:
    if not labs:
        raise LabError("no lab is up", hint="lab up FILE brings one up")
    if len(labs) > 1:
        raise LabError(f"{len(labs)} labs are up", hint="name one of them: " + ", ".join(info.name for _, info in labs))
    return labs[0]


def _same_file(source: str, given: str) -> bool:
    return Path(given).exists() and str(Path(given).resolve()) in (source, str(Path(source).parent))


def _environment() -> dict[str, str]:
    """The caller's own environment, for it is the caller who acts there."""
    return {name: value for name, value in os.environ.items() if name != "PATH"}


def _folder() -> str | None:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return None


def _say(verbose: bool) -> Any:
    return console.say if verbose else console.quiet


def _age(started: float) -> str:
    seconds = max(0, int(time.time() - started))
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"

"""This machine: what works on it, and how to mend what does not."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict

import typer

from lab import console
from lab.errors import NOT_MEASURED, PASSED, LabError

_MARKS = {"works": ("good", "✓"), "fails": ("bad", "✗"), "absent": ("dim", "–")}


def doctor(fix: bool, yes: bool, as_json: bool) -> int:
    """Print what was found; 0 where labs work, 3 where they do not."""
    from lab.doctor import report

    if fix:
        _fix(yes)
    found = report()
    broken = any(each.state == "fails" for each in found)
    contained = any(each.name == "docker" and each.state == "works" for each in found)
    fails = broken and not contained
    if as_json:
        console.show_json({"works": not fails, "findings": [asdict(each) for each in found]})
        return NOT_MEASURED if fails else PASSED
    for each in found:
        style, mark = _MARKS[each.state]
        console.show([(style, f"{mark} {each.name:<13} {each.detail}")])
        if each.state != "works":
            console.show([("", f"{'':16}{line}") for line in each.remedy.splitlines()])
    verdict = ("bad", "labs do not work here until what is marked ✗ is mended") if fails else ("good", "labs work here")
    if broken and contained:
        verdict = ("good", "labs work here with Docker; with namespaces once what is marked ✗ is mended")
    console.show([("", ""), verdict])
    return NOT_MEASURED if fails else PASSED


def _fix(yes: bool) -> None:
    from lab import apparmor
    from lab.runtime.netns.machine import apparmor_forbids, look

    if not apparmor_forbids(look()):
        print("nothing here that lab could mend itself", file=sys.stderr)
        return
    wanted = apparmor.profile()
    print("AppArmor on this machine forbids user namespaces to programs without a profile of their own.")
    print(f"This one, to be written to {wanted.path}, allows them to {wanted.script} and to what it starts:\n")
    print("".join(f"    {line}\n" for line in wanted.text.splitlines()))
    print("Who can change that file can use the permission too; other programs stay restricted.")
    if not yes:
        if not sys.stdin.isatty():
            raise LabError("nobody is here to agree", hint="lab doctor --fix --yes agrees beforehand")
        typer.confirm("Write and load it as root?", abort=True)
    apparmor.install(wanted)
    print(f"{wanted.path} is written and loaded\n", flush=True)
    # A running process keeps the label that it started with: look again in a new one.
    os.execv(wanted.script, [str(wanted.script), "doctor"])

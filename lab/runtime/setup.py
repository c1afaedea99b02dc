"""The set-up commands of a topology's nodes, run on a lab that has just been wired."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from lab.errors import NotMeasuredError
from lab.runtime.base import LiveLab, Program

_LIMIT = 10.0  # seconds for one command; it configures something, and waits for nobody
_SHOWN = 300  # characters of what a failed one said


def set_up(lab: LiveLab, say: Callable[[str], None]) -> None:
    """Run them as each node's administrator, node by node, in the order of the file.

    Raises NotMeasuredError for the first that cannot be run, does not end, or fails: a lab that is not as its file
    says would give wrong verdicts.
    """
    for node in lab.plan.nodes:
        for command in node.setup:
            say(f"{node.name}: {shlex.join(command)}")
            process = lab.start(Program(node.name, command, kind="admin"))
            if not lab.wait(lambda process=process: not process.running, _LIMIT):  # type: ignore[misc]
                process.signal(9, tree=True)
                raise _failed(node.name, command, f"it was still running after {_LIMIT:.0f} s")
            if process.exit_code:
                said = bytes(process.stderr.data).decode(errors="replace").strip()
                raise _failed(node.name, command, f"exit code {process.exit_code}", said)


def _failed(node: str, command: tuple[str, ...], why: str, said: str = "") -> NotMeasuredError:
    what = f"the set-up command of {node} failed ({why}): {shlex.join(command)}"
    return NotMeasuredError(what, hint=said[-_SHOWN:] or "lab up and lab exec try it by hand")

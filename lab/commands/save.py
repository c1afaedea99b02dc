"""A live lab kept as a file."""

from __future__ import annotations

import sys
from pathlib import Path

from lab import console
from lab.commands.labs import find_lab
from lab.commands.link import links_now
from lab.errors import LabError
from lab.saved import saved_topology


def save(name: str | None, output: str | None, runtime: str | None) -> None:
    """Write a lab's addresses, routes and links, as they are now, as the topology that would have made them."""
    target = Path(output) if output is not None else None
    if target is not None and target.exists():
        raise LabError("this file exists already", str(target), "name another one, or remove it")
    owner, info = find_lab(name, runtime)
    lab = owner.open(info.name)
    state = lab.state([node.name for node in lab.plan.nodes])
    plan = links_now(lab)
    lab.close()
    text, notes = saved_topology(plan, state, f"Lab {info.name} as it was configured by hand (lab save).")
    for note in notes:
        print(console.paint("not-measured", f"note: {note}", sys.stderr), file=sys.stderr)
    if target is None:
        print(text, end="")
    else:
        target.write_text(text)
        print(f"{target} makes lab {info.name} as it is now: lab up {target}")

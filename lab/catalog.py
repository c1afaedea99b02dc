"""The ready-made topologies and exercises: where they lie, and which one a name means."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.grammar import nearest
from lab.yaml.text import Scalar, parse_yaml, read_text, show

TOPOLOGY_FILE = "topology.yaml"
EXERCISE_FILE = "exercise.yaml"


@dataclass(frozen=True)
class Listed:
    """A ready-made topology or exercise; the name of an exercise has its topology before it: two-lans/tcp-echo."""

    name: str
    title: str
    path: Path


def folder() -> Path:
    """Where the ready-made files lie: inside an installed package, else beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "_topologies"
    return installed if installed.is_dir() else package.parent / "topologies"


def topologies() -> tuple[Listed, ...]:
    """The ready-made topologies by name; their title is the comment that opens the file."""
    return tuple(Listed(path.parent.name, _comment(path), path) for path in sorted(folder().glob(f"*/{TOPOLOGY_FILE}")))


def exercises() -> tuple[Listed, ...]:
    """The ready-made exercises by name."""
    found = sorted(folder().glob(f"*/*/{EXERCISE_FILE}"))
    return tuple(Listed(f"{path.parts[-3]}/{path.parts[-2]}", _title(path), path) for path in found)


def find_topology(name: str) -> Path:
    """The file of a ready-made topology; `LabError` with the nearest name where there is none."""
    paths = {each.name: each.path for each in topologies()}
    if name not in paths:
        raise LabError(f"there is no ready-made topology {show(name)}", hint=nearest(name, paths, "topologies"))
    return paths[name]


def find_exercise(name: str) -> Path:
    """The file of an exercise: of a path to it or its folder, else of a ready-made name with or without its topology's.

    `LabError` with the nearest name where there is none, or where two topologies have one of that name.
    """
    path = Path(name)
    if path.is_file():
        return path
    if (path / EXERCISE_FILE).is_file():
        return path / EXERCISE_FILE
    known = {each.name: each.path for each in exercises()}
    wanted = name.rstrip("/")
    fitting = [each for each in known if wanted in (each, each.partition("/")[2])]
    if len(fitting) == 1:
        return known[fitting[0]]
    if fitting:
        raise LabError(f"there are several exercises {show(wanted)}", hint=f"say which: {', '.join(fitting)}")
    if path.is_dir():
        raise LabError(f"this folder holds no {EXERCISE_FILE}", str(path))
    short = {each.partition("/")[2] for each in known}
    hint = nearest(wanted, sorted(known.keys() if "/" in wanted else short), "exercises")
    raise LabError(f"there is no exercise {show(wanted)}, neither a file nor a ready-made one", hint=hint)


def _title(path: Path) -> str:
    title = parse_yaml(read_text(path), str(path))[0].get("title")
    return title.text if isinstance(title, Scalar) else ""


def _comment(path: Path) -> str:
    comments = (line for line in read_text(path).splitlines() if line.startswith("#"))
    return next((line.lstrip("# ") for line in comments if "yaml-language-server" not in line), "")

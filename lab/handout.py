"""What students get of an exercise: its network, the skeleton, the teacher's programs and the checks they may see.

Only what is named here is ever copied. The exercise's text is cut, not written anew, so its comments and layout stay;
then it is loaded again, and searched for what only hidden checks use.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from yaml.nodes import MappingNode

from lab import __version__
from lab.catalog import EXERCISE_FILE, TOPOLOGY_FILE
from lab.errors import LabError, Place, Problem
from lab.exercise import Exercise, load_exercise, parse_exercise
from lab.grammar import Refused
from lab.topology import Topology, parse_topology
from lab.yaml.cut import compose, cut, end_of, entries, scalars
from lab.yaml.text import show

README = "README.md"
REQUIREMENTS = "requirements.txt"
_NOT_STUDENTS = ("expect.yaml", "__pycache__")
_LIMIT = 8 << 20  # bytes of a skeleton's file
_VALUE = re.compile(r"\$\{([^}]*)\}")
_MODELINE = re.compile(r"^#\s*yaml-language-server:\s*\$schema=(?!https?:).*\n", re.MULTILINE)
_SHORTEST = 4  # characters of a text that is looked for: shorter ones stand everywhere


@dataclass(frozen=True)
class Handout:
    """The files of a handout by their path, and what their teacher should look at."""

    files: Mapping[str, bytes]
    visible: tuple[str, ...]
    hidden: tuple[str, ...]
    notes: tuple[Problem, ...]


def make_handout(path: Path, variant: bytes | None = None) -> Handout:
    """The handout of an exercise; `LabError` where it would not load, or would tell what is hidden.

    With the key `variant` of a student, that one's own values stand in it.
    """
    exercise = load_exercise(path) if variant is None else load_exercise(path, variant=variant)
    hidden = tuple(graded.id for graded in exercise.checks if not graded.visible)
    _refuse_hidden_needs(exercise, path)
    try:
        own = {name: exercise.values[name] for name in exercise.individual} if variant is not None else {}
        text = valued(students_text(exercise.source, hidden), own)
        shown = _loaded(exercise, text)
    except LabError as error:
        why = "; ".join(str(each) for each in error.problems)
        what = f"without its hidden checks this exercise does not load: {why}"
        raise LabError(what, exercise.folder, "what visible checks use must not stand in hidden ones") from None
    files: dict[str, bytes] = {}
    own = dict(exercise.topology.values) if variant is not None else {}
    topology = valued(_without_modeline(exercise.topology.source), own)
    _add(files, {EXERCISE_FILE: text.encode(), TOPOLOGY_FILE: topology.encode()}, "")
    _add(files, dict(exercise.topology.beside), "the topology")
    _add(files, shown.files, "the exercise")
    _add(files, read_skeleton(exercise, path.parent), "skeleton/")
    if (path.parent / README).is_file():
        _add(files, {README: (path.parent / README).read_bytes()}, "the exercise")
    requirements = files.get(REQUIREMENTS, b"")
    files[REQUIREMENTS] = requirements + b"\n" * (requirements[-1:] not in (b"", b"\n")) + _requirement()
    secrets = _secrets(exercise, text, shown)
    ids = dict.fromkeys(hidden, "the id of a hidden check")
    if told := tuple(_tells(EXERCISE_FILE, text, secrets | ids)):
        raise LabError(told)
    # An id is often a plain word, such as closed; in prose it means the check where it is set as code.
    secrets |= {f"`{name}`": what for name, what in ids.items()}
    notes = [note for name, content in files.items() if name != EXERCISE_FILE
             for note in _tells(name, content.decode(errors="replace"), secrets)]  # fmt: skip
    return Handout(files, tuple(graded.id for graded in shown.checks), hidden, tuple(notes))


def write_handout(handout: Handout, folder: Path) -> None:
    """Write a handout into a folder that is new or empty; raises `LabError` where it is neither."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "this folder is not empty" if folder.is_dir() else "this is a file"
        raise LabError(what, str(folder), "a handout goes into a new or empty folder, so that nothing else is in it")
    for name, content in handout.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def students_text(source: str, hidden: tuple[str, ...]) -> str:
    """The exercise's text without the hidden checks and the values that only they use, its topology beside it."""
    root = compose(source)
    checks = entries(root).get("checks")
    assert checks is not None, "an exercise has checks"
    text = cut(source, entries(checks.nodes[1]), hidden)
    unused = _hidden_values(root, hidden)
    if unused:
        root = compose(text)
        values = entries(root).get("values")
        assert values is not None, "they were found there"
        own = entries(values.nodes[1])
        every = all(entry.name in unused for entry in own.entries)
        text = cut(text, entries(root), ["values"]) if every else cut(text, own, unused)
    topology = entries(compose(text)).get("topology")
    if topology is not None:
        value = topology.nodes[1]
        text = text[: value.start_mark.index] + TOPOLOGY_FILE + text[value.end_mark.index :]
    return _without_modeline(text)


def valued(text: str, values: Mapping[str, str | int]) -> str:
    """The text with these values under `values:`, as far as it has values of these names."""
    written = entries(compose(text)).get("values")
    for entry in reversed(entries(written.nodes[1]).entries if written else ()):
        if entry.name in values:
            value = entry.nodes[1]
            text = text[: value.start_mark.index] + json.dumps(values[entry.name]) + text[end_of(value) :]
    return text


def _hidden_values(root: MappingNode, hidden: tuple[str, ...]) -> set[str]:
    """The names of values that hidden checks use and nothing else does."""
    used: dict[bool, set[str]] = {True: set(), False: set()}
    for key in entries(root).entries:
        parts = entries(key.nodes[1]).entries if key.name == "checks" else (key,)
        for part in parts:
            secret = key.name == "checks" and part.name in hidden
            used[secret].update(name for text in scalars(*part.nodes) for name in _VALUE.findall(text))
    return used[True] - used[False]


def _refuse_hidden_needs(exercise: Exercise, path: Path) -> None:
    """A visible check must not rest on one that its student cannot see; and one check at least is visible."""
    seen = {graded.id: graded.visible for graded in exercise.checks}
    problems = [
        Problem(
            f"{graded.id} is visible and needs {need}, which is hidden",
            str(path),
            f"let {graded.id} be hidden too, or {need} be visible, or take {need} out of its needs",
        )
        for graded in exercise.checks
        for need in graded.needs
        if graded.visible and not seen[need]
    ]
    if not any(seen.values()):
        problems.append(Problem("every check is hidden", str(path), "students need one that they can see"))
    if problems:
        raise LabError(problems)


def read_skeleton(exercise: Exercise, folder: Path) -> dict[str, bytes]:
    """The skeleton's files; `LabError` for a link, which may lead anywhere, and where they are the whole solution."""
    files: dict[str, bytes] = {}
    skeleton = folder / "skeleton"
    for path in sorted(skeleton.rglob("*")) if skeleton.is_dir() else ():
        parts = path.relative_to(skeleton).parts
        if any(part.startswith(".") or part in _NOT_STUDENTS for part in parts):
            continue
        if path.is_symlink():
            raise LabError("a link cannot be handed out: it may lead to the solution", str(path), "copy the file here")
        if path.is_file():
            if path.stat().st_size > _LIMIT:
                raise LabError(f"this file is too large to be handed out, {path.stat().st_size} bytes", str(path))
            files["/".join(parts)] = path.read_bytes()
    wanted = exercise.submission.files or (exercise.submission.routes or "",)
    solved = {name: folder / "solution" / name for name in wanted if name in files}
    if solved and all(path.is_file() and path.read_bytes() == files[name] for name, path in solved.items()):
        raise LabError("the skeleton is the solution", str(skeleton), "take out of it what students are to write")
    return files


def _add(files: dict[str, bytes], more: Mapping[str, bytes], owner: str) -> None:
    for name, content in more.items():
        if files.setdefault(name, content) != content:
            what = f"{owner} has a file {show(name)}, and so has another part of the handout"
            raise LabError(what, hint="give one of the two another name")


def _requirement() -> bytes:
    return f"packetlab=={__version__}\n".encode()


def _without_modeline(text: str) -> str:
    """The text without a schema for editors that lies beside the original, and would be missing beside the copy."""
    return _MODELINE.sub("", text)


def _loaded(exercise: Exercise, text: str) -> Exercise:
    """The exercise that students get; proves that it loads, and that its visible checks are the original's."""

    def read(name: str) -> bytes:
        if name not in exercise.files:
            raise Refused(f"there is no file {show(name)}")
        used[name] = exercise.files[name]
        return used[name]

    def topology(_: str | None) -> Topology:
        beside = dict(exercise.topology.beside)
        return parse_topology(exercise.topology.source, TOPOLOGY_FILE, beside.__getitem__)

    used: dict[str, bytes] = {}
    shown = parse_exercise(text, EXERCISE_FILE, topology, read=read, files=used)
    same = (
        shown.checks == tuple(graded for graded in exercise.checks if graded.visible)
        and shown.steps == exercise.steps
        and shown.topology.nodes == exercise.topology.nodes
    )
    if not same:
        raise LabError("its visible checks are then others: write each check in lines of its own")
    return shown


def _secrets(exercise: Exercise, text: str, shown: Exercise) -> dict[str, str]:
    """What must not stand in a handout: words that only hidden checks use, each with what it is."""
    root = compose(exercise.source)
    checks = entries(root).get("checks")
    assert checks is not None, "an exercise has checks"
    visible = {graded.id for graded in shown.checks}
    secrets: dict[str, str] = {}
    for entry in entries(checks.nodes[1]).entries:
        if entry.name not in visible:
            for key in entries(entry.nodes[0]).entries:
                if key.name not in ("check", "points", "visible", "needs", "id"):
                    texts = [each.strip() for each in scalars(key.nodes[1], keys=False)]
                    told = [each for each in texts if len(each) >= _SHORTEST]
                    secrets.update(dict.fromkeys(told, f"a value of the hidden check {entry.name}"))
    for name in set(exercise.values) - set(shown.values):
        secrets[name] = "a value that only hidden checks use"
        if len(str(exercise.values[name]).strip()) >= _SHORTEST:
            secrets[str(exercise.values[name]).strip()] = f"what the value {name} is, which only hidden checks use"
    secrets.update(dict.fromkeys(set(exercise.files) - set(shown.files), "a file that only hidden checks use"))
    for known in (*scalars(compose(text)), *scalars(compose(exercise.topology.source))):
        secrets.pop(known.strip(), None)
    return secrets


def _tells(name: str, text: str, secrets: Mapping[str, str]) -> list[Problem]:
    """Where a text has one of the words."""
    found = []
    for word, what in secrets.items():
        for match in re.finditer(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text):
            line = text.count("\n", 0, match.start()) + 1
            column = match.start() - text.rfind("\n", 0, match.start())
            hint = "students would read this: write the line without it, or rename what is hidden"
            found.append(Problem(f"{show(word)} stands in this line: {what}", Place(name, line, column), hint))
    return found

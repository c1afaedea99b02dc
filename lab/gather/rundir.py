"""The run directory: where evidence is written while a lab runs, and read back when it is judged, here or elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from lab import __version__
from lab.declared import as_declared
from lab.errors import LabError
from lab.evidence import FORMAT, Capture, Evidence, Gap, Mark, Probe, StepResult
from lab.exercise import Exercise, HandedIn, load_exercise
from lab.plan import Plan, plan_from_json, plan_to_json
from lab.trace import pcap
from lab.trace.packets import decode

MANIFEST = "manifest.json"  # the last file of a whole run
_DAMAGED = "the run has to be done again; captures in it can still be read by lab trace"
_IN_FILES = ("stdout", "stderr", "calls")  # of a step's result


class RunDirectory:
    """A run directory being written; every file is made anew, never opened through a link."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, runs: Path, exercise: Exercise, started: float) -> RunDirectory:
        """Make `RUNS/<exercise>/<UTC time>-<id>`; raises LabError where that is not possible."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(started))
        path = runs / exercise.name / f"{stamp}-{secrets.token_hex(3)}"
        try:
            (path / "steps").mkdir(parents=True)
            (path / "state").mkdir()
        except OSError as error:
            raise LabError(
                f"cannot keep evidence in {path}: {error.strerror}", hint="--runs DIR keeps it elsewhere"
            ) from None
        return cls(path)

    def create_file(self, name: str) -> BinaryIO:
        """A new file to be written."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        return open(os.open(path, flags, 0o644), "wb")

    def write(self, name: str, content: bytes | str) -> None:
        """Write one file."""
        with self.create_file(name) as file:
            file.write(content.encode() if isinstance(content, str) else content)

    def write_json(self, name: str, content: Any) -> None:
        """Write one JSON file, put in place whole."""
        scratch = f"{name}.{secrets.token_hex(3)}"
        # What a person reads has lines; the rest is large, and an indented one takes ten times as long to write.
        indent = 1 if name == MANIFEST else None
        self.write(scratch, json.dumps(content, indent=indent, default=str) + "\n")
        (self.path / scratch).rename(self.path / name)

    def write_inputs(self, exercise: Exercise, plan: Plan) -> None:
        """Keep what the run was asked to do, so that it can be judged without the exercise's folder."""
        self.write_exercise(exercise)
        self.write_json("plan.json", plan_to_json(plan))

    def write_exercise(self, exercise: Exercise) -> None:
        """Keep an exercise with its topology and every file that they name."""
        self.write("exercise/exercise.yaml", exercise.source)
        self.write("exercise/topology.yaml", exercise.topology.source)
        for name, content in {**dict(exercise.topology.beside), **exercise.files}.items():
            if not (self.path / "exercise" / name).exists():
                self.write(f"exercise/{name}", content)

    def write_submission(self, exercise: Exercise, files: Mapping[str, bytes]) -> list[str]:
        """Keep those files of the submission that checks read; the names of what is kept."""
        wanted = {name for graded in exercise.checks for name in graded.check.handed_in}
        kept = sorted(wanted & files.keys())
        for name in kept:
            self.write(f"submission/{name}", files[name])
        return kept

    def tell_submission(self, exercise: Exercise, handed_in: HandedIn) -> dict[str, Any]:
        """What a manifest tells of a submission; keeps those files of it that checks read."""
        return {
            "folder": handed_in.folder,
            "sha256": handed_in.digest,
            "files": sorted(handed_in.files),
            "kept": self.write_submission(exercise, handed_in.files),
            "problems": list(handed_in.problems),
            "notes": list(handed_in.notes),
        }

    def keep_submission(self, files: Mapping[str, bytes]) -> None:
        """Keep the whole submission too, so that it can be shown what the run is of; no check reads it."""
        for name, content in files.items():
            path = self.path / "submission" / name
            if path.is_symlink() or not path.exists():
                self.write(f"submission/{name}", content)

    def write_steps(self, results: Mapping[str, StepResult]) -> None:
        """Keep how each step went, and its output as files."""
        told = []
        for result in results.values():
            self.write(f"steps/{result.name}.stdout", result.stdout)
            self.write(f"steps/{result.name}.stderr", result.stderr)
            if result.calls is not None:
                self.write(f"steps/{result.name}.calls", result.calls)
            told.append({key: value for key, value in asdict(result).items() if key not in _IN_FILES})
        self.write_json("steps.json", told)

    def write_manifest(self, **facts: Any) -> None:
        """Keep what the evidence is; the last file of a whole run."""
        self.write_json(MANIFEST, {"format": FORMAT, "lab": __version__, **facts})


def exercise_digest(exercise: Exercise) -> str:
    """SHA-256 over the exercise, its topology and every file that it names."""
    hashed = hashlib.sha256(exercise.source.encode() + b"\0" + exercise.topology.source.encode())
    for name, content in sorted(exercise.files.items()):
        hashed.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return hashed.hexdigest()


def find_run(given: str, runs: str) -> Path:
    """The run directory that is meant; `.` is the latest below `runs`, unless the current folder is one itself."""
    path = Path(given)
    if (path / MANIFEST).is_file() or given != ".":
        return path
    latest = latest_run(runs)
    if latest is None:
        raise LabError(f"there is no run in {runs} yet", hint="lab run EXERCISE makes one; --runs DIR looks elsewhere")
    return latest


def latest_run(runs: str) -> Path | None:
    """The run whose evidence was finished last."""
    kept = sorted(Path(runs).glob(f"*/*/{MANIFEST}"), key=lambda found: found.stat().st_mtime)
    return kept[-1].parent if kept else None


def load(path: Path, *, own: bool = False) -> Evidence:
    """Read a run directory; raises LabError where it is none, damaged, or of a later format than this `lab` knows.

    With `own` its exercise is known to be the teacher's, as that of a run made just now is.
    """
    try:
        return _load(path, own)
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise LabError(f"{path} is damaged: {_why(error)}", hint=_DAMAGED) from None


def _why(error: Exception) -> str:
    match error:
        case KeyError():
            return f"its records lack {error.args[0]!r}"
        case OSError():
            return f"{Path(error.filename or '').name or 'a file'} cannot be read: {error.strerror or error}"
        case ValueError():
            return " ".join(str(error).split())
    return f"its records are not of the form that lab writes ({type(error).__name__}: {error})"


def _load(path: Path, own: bool) -> Evidence:
    if path.is_file():
        raise LabError(f"{path} is a file, not a run directory", hint="lab trace reads captures; lab judge takes a run")
    manifest = _read_json(path, MANIFEST)
    if manifest.get("format", 0) > FORMAT:
        raise LabError(f"{path} has format {manifest['format']}, this lab knows up to {FORMAT}", hint="use a newer lab")
    plan = plan_from_json(_read_json(path, "plan.json"), f"{path}/plan.json")
    exercise = load_exercise(
        path / "exercise" / "exercise.yaml",
        topology=path / "exercise" / "topology.yaml",
        values=manifest.get("values"),
    )
    marks = tuple(_mark(told) for told in manifest["marks"])
    end: Mapping[str, int] = next((mark.frames for mark in marks if mark.name == "end"), {})
    gaps = [as_declared(Gap(**gap)) for gap in manifest["gaps"]]
    captures: dict[str, Capture] = {}
    for told in manifest["captures"]:
        point = told["point"]
        captures[point], problem = _load_capture(path / told["file"], point, end.get(point))
        if problem and not any(gap.where == point for gap in gaps):
            gaps.append(Gap(problem, point, "lab"))
    steps = [_load_step(path, told) for told in _read_json(path, "steps.json", list)]
    return Evidence(
        plan=plan,
        exercise=exercise,
        captures=captures,
        steps={step.name: step for step in steps},
        marks=marks,
        probes=tuple(as_declared(Probe(**probe)) for probe in manifest["probes"]),
        gaps=tuple(gaps),
        states={phase: _read_json(path, f"state/{phase}.json") for phase in manifest["states"]},
        manifest=manifest,
        handed_in=tuple(manifest["submission"]["problems"]),
        submission={name: _kept(path, name) for name in manifest["submission"].get("kept", ())},
        own=own,
    )


def _mark(told: dict[str, Any]) -> Mark:
    ports = told.get("ports")
    own = None if ports is None else tuple(ports)
    return as_declared(
        Mark(told["name"], told["frames"], told["step"], own, told.get("ended"), told.get("beside", False))
    )


def _load_capture(path: Path, point: str, end: int | None) -> tuple[Capture, str | None]:
    """A capture and what is wrong with it; one that was never ended counts as a whole."""
    try:
        with path.open("rb") as stream:
            trace = pcap.open_trace(stream, str(path))
            packets = tuple(decode(*frame) for frame in trace)
            problem = trace.problem
    except (OSError, LabError) as error:
        return Capture(point, (), 0), f"the capture cannot be read: {error}"
    if end is not None and len(packets) < end:
        problem = f"{len(packets)} of {end} frames are in the file"
    return Capture(point, packets, len(packets) if end is None else end), problem


def _load_step(path: Path, told: dict[str, Any]) -> StepResult:
    output = path / "steps" / told["name"]
    stdout, stderr = (output.with_name(f"{output.name}.{kind}").read_bytes() for kind in ("stdout", "stderr"))
    record = output.with_name(f"{output.name}.calls")
    calls = record.read_bytes() if record.exists() else None
    return as_declared(StepResult(**told, stdout=stdout, stderr=stderr, calls=calls))


def _kept(path: Path, name: str) -> bytes:
    """A file of the submission; the name comes from a manifest, which may be a stranger's."""
    folder = (path / "submission").resolve()
    file = (folder / name).resolve()
    if not file.is_relative_to(folder):
        raise ValueError(f"{name} leads out of the run directory")
    return file.read_bytes()


def _read_json(path: Path, name: str, kind: type = dict) -> Any:
    try:
        found = json.loads((path / name).read_text())
    except FileNotFoundError:
        what = "is not a run directory" if name == MANIFEST else "is damaged"
        hint = "lab run prints where it keeps its evidence" if name == MANIFEST else _DAMAGED
        raise LabError(f"{path} {what}: it has no {name}", hint=hint) from None
    except (ValueError, OSError) as error:
        raise LabError(f"{name} cannot be read: {error}", where=str(path)) from None
    if not isinstance(found, kind):
        raise LabError(f"{name} holds no {'list' if kind is list else 'mapping'}", where=str(path))
    return found

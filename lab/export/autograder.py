"""What runs in Gradescope's container: one submission graded, and results.json written whole, whatever happens.

Where the platform lets nobody make namespaces, files are checked and nothing is graded: a person does that afterwards
with the submissions that Gradescope exports.
"""

from __future__ import annotations

import ast
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab import pipeline
from lab.classroom.job import judged
from lab.console import quiet
from lab.errors import LabError
from lab.exercise import Exercise, HandedIn, load_exercise
from lab.exercise.submission import read_submission
from lab.export import gradescope
from lab.report.safe import safe
from lab.runtime import choose_for
from lab.wholefile import write_whole

ROOT = Path("/autograder")
_COMPILER_LIMIT = 20  # seconds


def main(root: Path) -> None:
    """Grade what lies in `root`/submission by the exercise in `root`/source, into `root`/results/results.json."""
    try:
        text = _results(root)
    except Exception as error:  # without a results.json the platform would say that the student's program failed
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        text = gradescope.not_graded("the grader itself failed, and your teacher will see to it")
    write_whole(root / "results" / "results.json", text)


def _results(root: Path) -> str:
    folder = root / "source" / "exercise"
    exercise = load_exercise(folder / "exercise.yaml", topology=folder / "topology.yaml", draw=secrets.token_hex(16))
    handed_in = read_submission(exercise, root / "submission")
    runs = Path(tempfile.mkdtemp(prefix="lab-runs-"))
    runs.chmod(0o755)
    try:
        runtime = choose_for(exercise, "netns", quiet)
        path, evidence, grade = pipeline.grade(exercise, handed_in, runtime, runs, quiet)
    except LabError as error:
        print(error, file=sys.stderr)
        why = "this platform cannot run a lab; your files were looked at"
        return gradescope.not_graded(why, _looked_at(exercise, handed_in))
    result: dict[str, Any] = {"grade": {"points": grade.points, "of": grade.of}, **judged(path, evidence, grade, runs)}
    if str(grade.outcome) == "not measured":
        return gradescope.not_graded("it could not be measured", _looked_at(exercise, handed_in))
    return gradescope.render(result)


def _looked_at(exercise: Exercise, handed_in: HandedIn) -> list[tuple[str, bool, str]]:
    """What can be said without a run: whether files are there, and whether they build."""
    wanted = [name for name in (*exercise.submission.files, exercise.submission.routes or "") if name]
    told = [(f"{name} was handed in", name not in handed_in.missing, "") for name in wanted]
    return [*told, *((f"{name} builds", not why, why) for name, why in builds(handed_in.files))]


def builds(files: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    """For each program, why it does not build; empty where it does.

    A C compiler's words are not passed on: `#include` could make it read the teacher's files aloud.
    """
    for name, content in sorted(files.items()):
        if name.endswith(".py"):
            yield name, _python(content)
        elif name.endswith(".c") and (compiler := shutil.which("cc")):
            with tempfile.TemporaryDirectory() as folder:
                for other, text in files.items():
                    path = Path(folder) / other
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(text)
                yield name, _c([compiler, "-fsyntax-only", str(Path(folder) / name)])


def _python(content: bytes) -> str:
    try:
        ast.parse(content)
    except SyntaxError as error:
        return safe(f"line {error.lineno}: {error.msg}")
    except (ValueError, RecursionError, MemoryError):
        return "this is not a Python program"
    return ""


def _c(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_COMPILER_LIMIT, check=False)
    except (subprocess.TimeoutExpired, OSError):
        return "the compiler did not come to an end"
    return "the compiler refuses it" if done.returncode else ""


SETUP = """#!/bin/sh
# Gradescope runs this once, when the image is built.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv tcpdump bubblewrap nftables gcc libc6-dev
python=python3
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    apt-get install -y --no-install-recommends python3.11 python3.11-venv
    python=python3.11
fi
"$python" -m venv /autograder/venv
/autograder/venv/bin/pip install --quiet 'pyyaml>=6'
"""
RUN = """#!/bin/sh
# Gradescope runs this for each submission; results.json is written by the program, never by what it prints.
export PYTHONPATH=/autograder/source PYTHONDONTWRITEBYTECODE=1
exec /autograder/venv/bin/python -m lab.export.autograder
"""


def archive_files(exercise: Exercise, package: Path) -> dict[str, tuple[bytes, bool]]:
    """The autograder's zip: each file's content and whether it is a program; the exercise whole, hidden checks too."""
    files: dict[str, tuple[bytes, bool]] = {"setup.sh": (SETUP.encode(), True), "run_autograder": (RUN.encode(), True)}
    told = {"exercise.yaml": exercise.source.encode(), "topology.yaml": exercise.topology.source.encode()}
    told |= {**dict(exercise.topology.beside), **exercise.files}
    files |= {f"exercise/{name}": (content, False) for name, content in told.items()}
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not name.startswith(("_topologies/", "scaffold/")):  # the ready-made exercises and their solutions
            files[f"lab/{name}"] = (path.read_bytes(), False)
    return files


if __name__ == "__main__":
    main(ROOT)

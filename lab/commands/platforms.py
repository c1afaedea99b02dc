"""What makes other platforms run `lab` by themselves."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import lab
from lab.catalog import find_exercise
from lab.checks.names import count
from lab.errors import LabError
from lab.exercise import load_exercise
from lab.export.autograder import archive_files
from lab.export.workflow import workflow
from lab.wholefile import earlier, whole, write_whole

_FIXED = (2020, 1, 1, 0, 0, 0)  # the same exercise gives the same zip


def gradescope_autograder(name: str, output: str) -> None:
    """Write Gradescope's autograder zip of an exercise."""
    exercise = load_exercise(find_exercise(name))
    if exercise.individual:
        what = f"each student has values of their own: {', '.join(exercise.individual)}"
        raise LabError(what, exercise.folder, "let students hand in there, and grade Gradescope's export by lab grade")
    files = archive_files(exercise, Path(lab.__file__).parent)
    instead = earlier(Path(output))
    with whole(Path(output)) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (content, runs) in files.items():
            info = zipfile.ZipInfo(path, _FIXED)
            info.external_attr = (0o100755 if runs else 0o100644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    hidden = sum(not each.visible for each in exercise.checks)
    print(f"{output}: {count(len(files), 'file')}, to be uploaded as the autograder of {exercise.name}{instead}")
    if hidden:
        print(f"{count(hidden, 'hidden check')} in it: students see them once grades are published")


def github_workflow(name: str, repository: str, ref: str, requirement: str | None, output: str | None) -> None:
    """Print a workflow, or write it."""
    text = workflow(name, repository, ref, requirement or f"packetlab=={lab.__version__}")
    if output is None:
        sys.stdout.write(text)
    else:
        instead = earlier(Path(output))
        write_whole(Path(output), text)
        print(f"{output}: belongs into .github/workflows/ of each student's repository{instead}")

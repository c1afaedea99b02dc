"""The workflow for GitHub: well-formed, the exercise from the teacher's repository, and no word that a shell obeys."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from lab.errors import LabError
from lab.export.workflow import workflow


def test_it_fetches_the_exercise_from_the_teacher_and_tells_the_reporter() -> None:
    text = workflow("course/echo", "ada/course", "v1", "packetlab==0.1.0")
    told = yaml.safe_load(text)
    assert told["permissions"] == {"contents": "read"}
    steps = told["jobs"]["grade"]["steps"]
    students, teachers = (each["with"] for each in steps if each.get("uses") == "actions/checkout@v4")
    assert (teachers["repository"], teachers["ref"], teachers["path"]) == ("ada/course", "v1", "teacher")
    assert "repository" not in students
    assert students["persist-credentials"] is teachers["persist-credentials"] is False
    reporter = steps[-1]
    assert reporter["uses"].startswith("classroom-resources/autograding-grading-reporter@")
    (run,) = [each for each in steps if each.get("id") == reporter["with"]["runners"]]
    assert f"{run['id'].upper()}_RESULTS" in reporter["env"]
    assert "lab grade 'course/echo' ../submissions" in run["run"]
    assert "apparmor_restrict_unprivileged_userns=0" in text
    for each in steps:
        if "run" in each:
            subprocess.run(["sh", "-n"], input=each["run"], text=True, check=True)


@pytest.mark.parametrize(
    "words",
    [
        ("x' ; rm -rf /", "a/b", "main", "p"),
        ("../x", "a/b", "main", "p"),
        ("x", "a/b/c", "main", "p"),
        ("x", "a", "main", "p"),
        ("x", "a/b", "-x", "p"),
        ("x", "a/b", "${{ x }}", "p"),
        ("x", "a/b", "main", "p'$(id)'"),
        ("x\ny", "a/b", "main", "p"),
    ],
)
def test_words_that_could_mean_something_else_are_refused(words: tuple[str, str, str, str]) -> None:
    with pytest.raises(LabError):
        workflow(*words)

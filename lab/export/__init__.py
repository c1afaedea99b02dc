"""Grades in the forms of those who show them to students: one file a form, each a pure function from a result.

A result is what `lab grade` keeps of a student (`students/KEY/result.json`), its adjustments applied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lab.export import github, gradescope, inginious, junit, markdown, prairielearn, tap


@dataclass(frozen=True)
class Format:
    """A form: a result as text, and the suffix of its file."""

    render: Callable[[Mapping[str, Any]], str]
    suffix: str


FORMATS: dict[str, Format] = {
    "gradescope": Format(gradescope.render, ".json"),
    "github": Format(github.render, ".txt"),
    "junit": Format(junit.render, ".xml"),
    "tap": Format(tap.render, ".tap"),
    "inginious": Format(inginious.render, ".json"),
    "prairielearn": Format(prairielearn.render, ".json"),
    "feedback": Format(markdown.render, ".md"),
}

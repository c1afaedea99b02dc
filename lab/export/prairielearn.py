"""PrairieLearn's results.json of an external grader (docs/externalGrading.md): a score from 0 to 1, at most 1 MB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.export.result import checks, feedback, score

_LONGEST = 400_000  # bytes of the report, and …
_MESSAGE = 3000  # … of what is said of a check, all as ASCII with JSON's escapes: a hundred checks stay below 1 MB


def render(result: Mapping[str, Any]) -> str:
    """The grade with a test a graded check."""
    points, of = score(result)
    return json.dumps(
        {
            "gradable": True,
            "score": min(1.0, max(0.0, points / of)) if of else 0.0,
            "message": f"{points} of {of} points",
            "output": _cut(feedback(result), _LONGEST),
            "tests": [
                {
                    "name": each.id,
                    "description": each.verdict,
                    "points": each.points,
                    "max_points": each.of,
                    "message": _cut(each.text, _MESSAGE),
                }
                for each in checks(result)
                if each.of or each.points
            ],
        },
        indent=1,
    )


def _cut(text: str, most: int) -> str:
    """The beginning of a text that takes no more bytes than this in JSON."""
    while (size := len(json.dumps(text))) > most:
        text = text[: min(len(text) - 1, len(text) * most // size)]
    return text

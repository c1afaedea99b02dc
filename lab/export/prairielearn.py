"""PrairieLearn's results.json of an external grader (docs/externalGrading.md): a score from 0 to 1, at most 1 MB."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.export.result import checks, feedback, score

_LONGEST = 400_000  # characters of the report: escaped they are still below 1 MB of ASCII


def render(result: Mapping[str, Any]) -> str:
    """The grade with a test a graded check."""
    points, of = score(result)
    return json.dumps(
        {
            "gradable": True,
            "score": min(1.0, max(0.0, points / of)) if of else 0.0,
            "message": f"{points} of {of} points",
            "output": feedback(result).encode("ascii", "replace").decode()[:_LONGEST],
            "tests": [
                {
                    "name": each.id,
                    "description": each.verdict,
                    "points": each.points,
                    "max_points": each.of,
                    "message": each.text[:1000],
                }
                for each in checks(result)
                if each.of or each.points
            ],
        },
        indent=1,
    )

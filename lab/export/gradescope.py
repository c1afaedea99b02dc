"""Gradescope's results.json (autograder specifications, "Output Format")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab.export.result import HIDDEN, Told, checks, feedback, hidden_checks, score


def render(result: Mapping[str, Any]) -> str:
    """The grade with a test a check; hidden checks show once grades are published, as Gradescope says of the total."""
    told = [each for each in checks(result) if each.id != HIDDEN] + hidden_checks(result)
    points, _ = score(result)
    return json.dumps(
        {
            "score": points,
            "output": feedback(result),
            "output_format": "text",
            "test_output_format": "text",
            "test_name_format": "text",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "tests": [_test(str(number), each) for number, each in enumerate(told, 1)],
        },
        indent=1,
    )


def _test(number: str, told: Told) -> dict[str, Any]:
    test = {
        "name": told.id,
        "number": number,
        "status": "passed" if told.passed else "failed",
        "output": told.text,
        "visibility": "visible" if told.visible else "after_published",
    }
    return {**test, "score": told.points, "max_score": told.of} if told.of or told.points else test


def not_graded(why: str, looked_at: Sequence[tuple[str, bool, str]] = ()) -> str:
    """What stands there until a person has graded: no points, that this is no grade, and what was `looked_at`.

    That is, for each thing, what, whether it is as it should be, and why not.
    """
    return json.dumps(
        {
            "score": 0,
            "output": f"not graded yet: {why}",
            "output_format": "text",
            "test_output_format": "text",
            "test_name_format": "text",
            "visibility": "visible",
            "stdout_visibility": "hidden",
            "tests": [
                {
                    "name": what,
                    "number": str(number),
                    "status": "passed" if good else "failed",
                    "output": said,
                    "visibility": "visible",
                }
                for number, (what, good, said) in enumerate(looked_at, 1)
            ],
        },
        indent=1,
    )

"""The result that GitHub Classroom's reporter reads (classroom-resources/autograding-grading-reporter), in base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from lab.export.result import checks, score


def render(result: Mapping[str, Any]) -> str:
    """A grader's output `result`: a test a graded check, each with its own points."""
    points, of = score(result)
    told = {
        "version": 1,
        "status": "pass" if points >= of else "fail",
        "max_score": of,
        "tests": [
            {
                "name": each.id,
                "status": "pass" if each.passed else "fail",
                "score": each.points,
                "message": each.text,
                "test_code": "",
                "filename": "",
                "line_no": 0,
                "duration": 0,
            }
            for each in checks(result)
            if each.of or each.points
        ],
    }
    return base64.b64encode(json.dumps(told).encode()).decode() + "\n"

"""INGInious's feedback (`feedback.py`: result, grade in percent, text in reStructuredText)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lab.export.result import checks, feedback, score


def render(result: Mapping[str, Any]) -> str:
    """The grade in percent; the report as a literal block, in which nothing is obeyed."""
    points, of = score(result)
    text = "::\n\n" + "\n".join(f"   {line}".rstrip() for line in feedback(result).splitlines()) + "\n"
    return json.dumps(
        {
            "result": "success" if points >= of else "failed",
            "grade": round(100 * points / of, 2) if of else 0.0,
            "text": text,
            "problems": {},
            "tests": {each.id: each.verdict for each in checks(result)},
            "custom": {"points": points, "of": of},
            "state": "",
        },
        indent=1,
    )

"""JSON Schemas of the files that people write, derived from the loader's grammar, and of the report of a run."""

from __future__ import annotations

from typing import Any, Literal, get_args

from lab.exercise_grammar import exercise_grammar
from lab.topology import TOPOLOGY

Kind = Literal["topology", "exercise", "report"]
KINDS: tuple[Kind, ...] = get_args(Kind)
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a topology, of an exercise with every check that there is, or of a report."""
    if kind == "topology":
        body = TOPOLOGY.schema(templates=False)
    elif kind == "exercise":
        from lab.checks import CHECKS

        body = exercise_grammar(CHECKS).schema(templates=True)
    else:
        body = REPORT
    return {"$schema": DIALECT, "title": f"lab {kind}", **body}


_TEXT = {"type": "string"}
_NUMBER = {"type": "number", "minimum": 0}


def _object(properties: dict[str, Any], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


# Readers must accept keys that they do not know: reports grow.
REPORT: dict[str, Any] = _object(
    {
        "grade": _object({"points": _NUMBER, "of": _NUMBER}),
        "checks": {
            "type": "array",
            "items": _object(
                {
                    "id": _TEXT,
                    "check": _TEXT,
                    "verdict": {"enum": ["passed", "failed", "not measured"]},
                    "points": _NUMBER,
                    "of": _NUMBER,
                    "expected": _TEXT,
                    "seen": _TEXT,
                    "frames": {
                        "type": "array",
                        "items": _object({"point": _TEXT, "number": {"type": "integer", "minimum": 1}}),
                    },
                    "cause": {"type": ["string", "null"]},
                },
                optional=("cause",),
            ),
        },
        "run": _TEXT,
    }
)

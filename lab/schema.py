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
        from lab.report.json import report_schema

        body = report_schema()
    return {"$schema": DIALECT, "title": f"lab {kind}", **body}


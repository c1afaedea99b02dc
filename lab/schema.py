"""JSON Schemas of the files that people write, derived from the loader's grammar, and of the report of a run."""

from __future__ import annotations

from typing import Any

from lab.errors import LabError
from lab.grammar import nearest
from lab.yamltext import show

KINDS = ("topology", "exercise", "report")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a topology, of an exercise with every check that there is, or of a report.

    Raises `LabError` for any other kind.
    """
    if kind == "topology":
        from lab.topology.grammar import TOPOLOGY

        body = TOPOLOGY.schema(templates=False)
    elif kind == "exercise":
        from lab.checks import CHECKS
        from lab.exercise.grammar import exercise_grammar

        body = exercise_grammar(CHECKS).schema(templates=True)
    elif kind == "report":
        from lab.report.json import report_schema

        body = report_schema()
    else:
        raise LabError(f"there is no schema {show(kind)}", hint=nearest(kind, KINDS, "schemas"))
    return {"$schema": DIALECT, "title": f"lab {kind}", **body}

"""JSON Schemas: of what people write, derived from the loader's grammar, and of reports and grades."""

from __future__ import annotations

from typing import Any

from lab.errors import LabError
from lab.grammar import nearest
from lab.yaml.text import show

KINDS = ("topology", "exercise", "report", "grades")
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(kind: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a topology, an exercise with every check that there is, a report or grades.

    Raises `LabError` for any other kind.
    """
    if kind == "topology":
        from lab.topology.grammar import TOPOLOGY

        body = TOPOLOGY.schema(templates=True)
    elif kind == "exercise":
        from lab.checks import CHECKS
        from lab.exercise.grammar import exercise_grammar

        body = exercise_grammar(CHECKS).schema(templates=True)
    elif kind == "report":
        from lab.report.json import report_schema

        body = report_schema()
    elif kind == "grades":
        from lab.classroom.sheet import grades_schema

        body = grades_schema()
    else:
        raise LabError(f"there is no schema {show(kind)}", hint=nearest(kind, KINDS, "schemas"))
    return {"$schema": DIALECT, "title": f"lab {kind}", **body}

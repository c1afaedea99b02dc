"""The report of `lab try`: hand-ins × checks, and below it what deviates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from lab.checks.base import Outcome
from lab.checks.names import count
from lab.console import table
from lab.grade import tidy
from lab.report.safe import safe
from lab.trial import Finding, Ran, Trial

_SIGNS = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_MEASURED: "?"}


def trial_lines(trial: Trial) -> list[tuple[str, str]]:
    """The matrix, what deviates or could not be measured, what else to know, and the outcome: (style, text) lines."""
    lines = [*_matrix(trial), ("", "")]
    lines += _findings("not-measured", "? ", trial.unmeasured)
    lines += _findings("failed", "! ", trial.deviations)
    lines += _findings("note", "note: ", trial.notes)
    return [(style, safe(text)) for style, text in [*lines, _outcome(trial)]]


def _matrix(trial: Trial) -> list[tuple[str, str]]:
    checks = [graded.id for graded in trial.exercise.checks]
    marked = {(each.hand_in, check) for each in trial.deviations for check in each.checks}
    rows = []
    for hand_in in trial.hand_ins:
        runs = trial.runs_of(hand_in.name)
        cells = [_cell(check, runs) + "!" * ((hand_in.name, check) in marked) for check in checks]
        rows.append((hand_in.name, *cells, _points(runs)))
    worth = ["" if not graded.counts else f"{tidy(graded.points)}" for graded in trial.exercise.checks]
    rows.append(("worth", *worth, ""))
    return table(("", *checks, "points"), rows)


def _cell(check: str, runs: Iterable[Ran]) -> str:
    return "".join(dict.fromkeys(_SIGNS[each.outcomes[check]] if check in each.outcomes else "?" for each in runs))


def _points(runs: Sequence[Ran]) -> str:
    measured = [each for each in runs if not each.problem]
    if not measured:
        return "?"
    points = sorted({each.points for each in measured})
    told = f"{points[0]}" if len(points) == 1 else f"{points[0]} to {points[-1]}"
    return f"{told} of {measured[0].of}"


def _findings(style: str, sign: str, findings: Iterable[Finding]) -> list[tuple[str, str]]:
    lines = []
    for each in findings:
        lines.append((style, f"{sign}{each.hand_in}: {each.what}" if each.hand_in else f"{sign}{each.what}"))
        if each.hint:
            lines.append(("look", f"    {each.hint}"))
        lines += [("dim", f"    run: {run}") for run in each.runs]
    return lines


def _outcome(trial: Trial) -> tuple[str, str]:
    tried = f"{count(len(trial.hand_ins), 'hand-in')}, {count(len(trial.runs), 'run')}"
    if trial.unmeasured:
        told = f"{tried}, and not everything could be measured"
        return "grade", f"OPEN  {trial.exercise.name}: {told}"
    if trial.deviations:
        return "grade", f"NOT SOUND  {trial.exercise.name}: {tried}, {count(len(trial.deviations), 'deviation')}"
    return "grade", f"SOUND  {trial.exercise.name}: {tried}, everything as it should be"


def trial_dict(trial: Trial) -> dict[str, Any]:
    """The report as data, ready for `json.dumps`."""
    return {
        "exercise": trial.exercise.name,
        "sound": trial.exit_code == 0,
        "checks": [{"id": graded.id, "points": tidy(graded.points)} for graded in trial.exercise.checks],
        "hand_ins": [
            {
                "name": hand_in.name,
                "fails": sorted(hand_in.fails) if hand_in.kind == "wrong" else None,
                "cause": hand_in.cause or None,
                "runs": [_run(each) for each in trial.runs_of(hand_in.name)],
            }
            for hand_in in trial.hand_ins
        ],
        "deviations": [asdict(each) for each in trial.deviations],
        "unmeasured": [asdict(each) for each in trial.unmeasured],
        "notes": [asdict(each) for each in trial.notes],
    }


def _run(each: Ran) -> dict[str, Any]:
    return {
        "grade": {"points": each.points, "of": each.of},
        "checks": {check: str(outcome) for check, outcome in each.outcomes.items()},
        "cause": each.cause or None,
        "confirmed": len(each.directories) > 1,
        "problem": each.problem or None,
        "runs": list(each.directories),
    }

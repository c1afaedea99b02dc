"""What every form tells of a result: its checks as a student may see them, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.grade import UNVERIFIED, tidy
from lab.report.safe import safe

HIDDEN = "hidden checks"


@dataclass(frozen=True)
class Told:
    """A check in a result: its verdict, its points, and what is said of it."""

    id: str
    verdict: str
    points: float
    of: float
    text: str
    visible: bool = True

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.verdict == "passed"


def checks(result: Mapping[str, Any]) -> list[Told]:
    """The checks that students may see, and all others as one, so that points add up."""
    hidden = result["shown"]["hidden"]
    told = [_told(each) for each in result["shown"]["checks"]]
    if hidden["checks"]:
        verdict = "passed" if hidden["points"] == hidden["of"] else "failed"
        told.append(Told(HIDDEN, verdict, hidden["points"], hidden["of"], f"{hidden['checks']} in all", False))
    return told + adjustments(result) + _floor(result)


def hidden_checks(result: Mapping[str, Any]) -> list[Told]:
    """The checks that students are not to see yet."""
    return [_told(each) for each in result["report"]["checks"] if not each["visible"]]


def adjustments(result: Mapping[str, Any]) -> list[Told]:
    """What lateness costs, and what a person added or took off, each as a line of its own with a name of its own."""
    late: Mapping[str, Any] = result.get("lateness") or {}
    why = safe(f"{late['points']:+g} points: {late['why']}") if late else ""
    lines = [Told("lateness", "failed", late["points"], 0, why)] if late else []
    for each in result.get("adjustments", ()):
        verdict = "passed" if each["points"] >= 0 else "failed"
        name = f"adjustment: {safe(each['check'])}" if each["check"] else "adjustment"
        same = sum(told.id.partition(" (")[0] == name for told in lines)
        name += f" ({same + 1})" if same else ""
        text = safe(f"{each['points']:+g} points by {each['by']}: {each['reason']}")
        lines.append(Told(name, verdict, each["points"], 0, text))
    return lines


def _floor(result: Mapping[str, Any]) -> list[Told]:
    """What is given back where more was taken off than was earned, for some platforms add the points up themselves."""
    earned = sum(each["points"] for each in result["report"]["checks"])
    below = tidy(earned + sum(each.points for each in adjustments(result)))
    text = "no grade is below 0 points"
    return [Told("nothing below 0", "passed", -below, 0, text)] if below < 0 else []


def score(result: Mapping[str, Any]) -> tuple[float, float]:
    """The points and what could be earned."""
    return result["grade"]["points"], result["grade"]["of"]


def feedback(result: Mapping[str, Any]) -> str:
    """The report that the student may read, with the cause, the frames in words, and what a person added."""
    lines = [text for style, text in result["feedback"] if style != "grade"]
    points, of = score(result)
    lines += [f"{each.id}: {each.text}" for each in adjustments(result)]
    label = f", {UNVERIFIED}: the captures were handed in" if result.get("report", {}).get("unverified") else ""
    return "\n".join([*lines, f"GRADE  {tidy(points)} of {tidy(of)} points{label}"])


def _told(check: Mapping[str, Any]) -> Told:
    text = check["seen"]
    if check["verdict"] != "passed":
        text = f"expected: {check['expected']}; seen: {check['seen']}"
        text += f"\nhint: {check['hint']}" if check["hint"] else ""
    return Told(check["id"], check["verdict"], check["points"], check["of"], safe(text, lines=True), check["visible"])

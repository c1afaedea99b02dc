"""JUnit XML (testmoapp/junitxml): a suite a student, a case a check."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from lab.export.result import Told, checks, feedback, score
from lab.report.safe import safe


def render(result: Mapping[str, Any]) -> str:
    """A check that failed is a failure, one that is not graded is skipped where it failed."""
    told = checks(result)
    points, of = score(result)
    skipped = [each for each in told if not each.passed and not each.of and not each.points]
    failed = [each for each in told if not each.passed and each not in skipped]
    numbers = {"tests": len(told), "failures": len(failed), "errors": 0, "skipped": len(skipped)}
    counts: dict[str, Any] = {key: str(number) for key, number in numbers.items()}
    root = ElementTree.Element("testsuites", name="lab", **counts)
    suite = ElementTree.SubElement(root, "testsuite", name=safe(result["student"]), **counts)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in (("points", points), ("of", of)):
        ElementTree.SubElement(properties, "property", name=name, value=str(value))
    for each in told:
        classname = f"{result['exercise']['name']}.{result['key']}"
        case = ElementTree.SubElement(suite, "testcase", name=each.id, classname=classname, time="0")
        _add(case, each, skipped=each in skipped)
    ElementTree.SubElement(suite, "system-out").text = feedback(result)
    ElementTree.indent(root)
    return "<?xml version='1.0' encoding='utf-8'?>\n" + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add(case: ElementTree.Element, told: Told, *, skipped: bool) -> None:
    if skipped:
        ElementTree.SubElement(case, "skipped", message=f"not graded; {told.text}")
    elif not told.passed:
        failure = ElementTree.SubElement(case, "failure", type=told.verdict, message=told.text.partition("\n")[0])
        failure.text = told.text

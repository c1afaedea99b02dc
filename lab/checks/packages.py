"""Checks that other packages bring along, by the entry-point group `packetlab.checks`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from lab.checks.base import Check
from lab.errors import LabError

GROUP = "packetlab.checks"


def of_packages(known: Mapping[str, Any], found: Iterable[EntryPoint] | None = None) -> dict[str, type[Check]]:
    """The checks of the packages that are installed beside this one; an entry point's name is the check's own.

    Raises LabError where one cannot be loaded, is no check, or has the name of another: an exercise that uses it
    would otherwise be told that there is no such check.
    """
    checks: dict[str, type[Check]] = {}
    for point in entry_points(group=GROUP) if found is None else found:
        owner = f"check {point.name} of {point.dist.name if point.dist else point.value}"
        try:
            check = point.load()
        except Exception as error:
            what = f"{owner} cannot be loaded: {type(error).__name__}: {error}"
            raise LabError(what, hint="mend or uninstall that package") from None
        if not isinstance(check, type) or not callable(getattr(check, "judge", None)):
            raise LabError(f"{owner} is no check: {point.value} has no judge()", hint="see lab.checks.base.Check")
        if getattr(check, "kind", None) != point.name:
            raise LabError(f"{owner} calls itself {getattr(check, 'kind', None)!r}", hint="let its kind be that name")
        if point.name in known or point.name in checks:
            raise LabError(f"{owner} has the name of another check", hint="rename it, or uninstall that package")
        checks[point.name] = check
    return checks

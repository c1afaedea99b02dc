"""Checks of other packages: found by their entry point, refused aloud where they are none."""

from importlib.metadata import EntryPoint

import pytest

from lab.checks import CHECKS
from lab.checks.packages import GROUP, of_packages
from lab.checks.where import Where
from lab.errors import LabError


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def test_a_check_is_found_by_its_name() -> None:
    assert of_packages({}, [point("where", "lab.checks.where:Where")]) == {"where": Where}
    assert of_packages({}, []) == {}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (point("x", "no.such.module:X"), "cannot be loaded: ModuleNotFoundError"),
        (point("x", "lab.checks.where:Nobody"), "cannot be loaded: AttributeError"),
        (point("x", "lab.checks.where:Number"), "has no judge()"),
        (point("x", "lab.checks.where:Where"), "calls itself 'where'"),
        (point("where", "lab.checks.where:Where"), "has the name of another check"),
    ],
)
def test_what_cannot_be_used_is_told(found: EntryPoint, said: str) -> None:
    with pytest.raises(LabError) as caught:
        of_packages(CHECKS, [found])
    assert said in str(caught.value)
